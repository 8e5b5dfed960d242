//! Changes of the host: known as a whole before the first one is made, so that they can be shown instead.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// What a path is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A file with this content.
    File(Vec<u8>),
    /// A symbolic link to this.
    Link(PathBuf),
    /// Nothing.
    Gone,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path as this process sees it.
    pub path: PathBuf,
    /// What it is to become.
    pub fate: Fate,
}

impl Change {
    /// Whether the path is not yet what it is to become.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when something else is there that must not be replaced; else the kernel's.
    pub fn is_needed(&self) -> Result<bool> {
        let what = || format!("cannot inspect {}", self.path.display());
        let present = match std::fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.fate != Fate::Gone),
            other => other.tried(what)?,
        };
        match &self.fate {
            Fate::Gone => Ok(true),
            Fate::Link(target)
                if present.is_symlink() && std::fs::read_link(&self.path).tried(what)? == *target =>
            {
                Ok(false)
            }
            Fate::File(content) if present.is_file() => {
                Ok(std::fs::read(&self.path).tried(what)? != *content)
            }
            Fate::Link(_) | Fate::File(_) => {
                let what = format!("{} is something else than this program makes", self.path.display());
                Err(Error::new(ErrorKind::Config, what)
                    .advise("move it away, or change what it leads to by hand"))
            }
        }
    }

    /// Makes the change: the path is the old or the new thing at every moment.
    ///
    /// # Errors
    /// Those of [`Change::is_needed`] and the kernel's; the path is as before then.
    pub fn apply(&self) -> Result<()> {
        if !self.is_needed()? {
            return Ok(());
        }
        match &self.fate {
            Fate::File(content) => {
                self.make_parent()?;
                host::write::write_atomically(&self.path, content, 0o644)
            }
            Fate::Link(target) => {
                self.make_parent()?;
                std::os::unix::fs::symlink(target, &self.path)
                    .tried(|| format!("cannot make the link {}", self.path.display()))?;
                host::write::sync_parent(&self.path)
            }
            Fate::Gone => {
                std::fs::remove_file(&self.path)
                    .tried(|| format!("cannot remove {}", self.path.display()))?;
                host::write::sync_parent(&self.path)
            }
        }
    }

    fn make_parent(&self) -> Result<()> {
        host::make_dir(self.path.parent().unwrap_or(Path::new("/")), 0o755)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fate {
            Fate::File(_) if self.path.exists() => write!(f, "edit {path}"),
            Fate::File(_) => write!(f, "write {path}"),
            Fate::Link(target) => write!(f, "link {path} to {}", target.display()),
            Fate::Gone => write!(f, "remove {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_something_else_is_not_replaced() {
        let dir = std::env::temp_dir().join(format!("change-test-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("dir")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).unwrap();
        std::fs::write(dir.join("file"), "text").unwrap();
        let change = |name: &str, fate: Fate| Change { path: dir.join(name), fate };
        for (name, fate) in [
            ("link", Fate::File(b"x".to_vec())),
            ("dir", Fate::File(b"x".to_vec())),
            ("link", Fate::Link("elsewhere".into())),
            ("file", Fate::Link("elsewhere".into())),
        ] {
            assert_eq!(change(name, fate).apply().unwrap_err().kind(), ErrorKind::Config, "{name}");
        }
        for (name, fate) in [
            ("file", Fate::File(b"text".to_vec())),
            ("link", Fate::Link("/etc/passwd".into())),
            ("none", Fate::Gone),
        ] {
            assert!(!change(name, fate).is_needed().unwrap(), "{name}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
