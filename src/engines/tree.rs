//! Where changes are made: the host itself, or a directory that will be the root of one (`--root`).

use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::oci::hooks::PROGRAM;

/// Where the hook is looked for in another tree.
const PROGRAM_DIRS: [&str; 4] =
    ["/usr/libexec/oci/hooks.d", "/usr/local/libexec/oci/hooks.d", "/usr/bin", "/usr/local/bin"];
/// The most bytes of a file that is read.
const MAX_FILE: u64 = 1 << 20;

/// A tree, and the hook in it.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    program: PathBuf,
    settings: Option<PathBuf>,
}

impl Tree {
    /// The host, whose hook is this program, or the tree below `root`, in which one must be installed. `settings` is a
    /// settings file that the hook is to read instead of the usual one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the tree has no hook, or its path cannot stand in every engine's files.
    pub fn open(root: Option<&Path>, settings: Option<&Path>) -> Result<Self> {
        let settings =
            settings.map(std::path::absolute).transpose().tried(|| "cannot resolve the settings' path")?;
        let (root, program) = match root {
            None => ("/".into(), std::env::current_exe().tried(|| "cannot find the path of this program")?),
            Some(root) => {
                let root = root.canonicalize().tried(|| format!("cannot find {}", root.display()))?;
                let program = program_in(&root)?;
                (root, program)
            }
        };
        for path in settings.iter().chain([&program]) {
            if path.to_str().is_none_or(|path| path.contains(char::is_control)) {
                let what = format!("the path {} has characters that not every engine takes", path.display());
                return Err(Error::new(ErrorKind::Config, what).advise("move it"));
            }
        }
        Ok(Self { root, program, settings })
    }

    /// The path of the hook as the engine will see it.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The settings file that the hook is to read, when it is not the usual one.
    #[must_use]
    pub fn settings(&self) -> Option<&Path> {
        self.settings.as_deref()
    }

    /// The path at which this process sees the absolute `path` of the tree.
    #[must_use]
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let inside = path.as_ref().components().filter(|part| matches!(part, Component::Normal(_)));
        self.root.join(inside.collect::<PathBuf>())
    }

    /// The text of a file of the tree, if it is there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a link (it may lead out of the tree), and as [`host::read_text`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        let path = self.at(path);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Ok(metadata) if metadata.is_symlink() => {
                let what = format!("{} is a symbolic link", path.display());
                Err(Error::new(ErrorKind::Config, what)
                    .advise("put a file in its place, or edit what it leads to"))
            }
            _ => host::read_text(&path, MAX_FILE).map(Some),
        }
    }

    /// The text of a file that is only looked at, if it is there: it may be a link.
    ///
    /// # Errors
    /// As [`host::read_text`].
    pub fn look_at(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        let path = self.at(path);
        if path.exists() { host::read_text(&path, MAX_FILE).map(Some) } else { Ok(None) }
    }

    /// The files of a directory of the tree whose names end in `suffix`, as paths in the tree, sorted.
    #[must_use]
    pub fn list(&self, dir: &str, suffix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.at(dir)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name());
        let wanted = names.filter(|name| name.to_str().is_some_and(|name| name.ends_with(suffix)));
        let mut paths: Vec<_> = wanted.map(|name| Path::new(dir).join(name)).collect();
        paths.sort();
        paths
    }
}

fn program_in(root: &Path) -> Result<PathBuf> {
    let there = |dir: &&&str| root.join(dir.trim_start_matches('/')).join(PROGRAM).is_file();
    PROGRAM_DIRS.iter().find(there).map(|dir| Path::new(dir).join(PROGRAM)).ok_or_else(|| {
        let what = format!("{PROGRAM} is missing in {}", root.display());
        Error::new(ErrorKind::Config, what)
            .advise(format!("install it there first, in {}", PROGRAM_DIRS.join(" or ")))
    })
}
