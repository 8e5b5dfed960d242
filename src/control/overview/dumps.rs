//! The newest dumps that were brought to the host, as the hook lists them: a process of its own reads what containers wrote,
//! with the settings by which the dumps were brought.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use rustix::fs::{Mode, OFlags};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::control::manager::Manager;
use crate::control::process::helper::{Finished, Helper, Streams};
use crate::error::{Error, ErrorKind, Result, Tried};

/// The most dumps that are listed: the newest.
pub const MAX_LISTED: usize = 200;
/// How long the hook may take to list them.
const LIST_TIMEOUT: Duration = Duration::from_secs(20);
/// The most bytes of its list: a dump takes a few hundred, and 40 KiB if all its texts are as long as they may be and need
/// escapes.
const MAX_LIST: usize = 8 * 1024 * 1024;
/// How many bytes of the hash of its path name a dump.
const KEY_BYTES: usize = 16;

/// One dump.
#[derive(Debug, Clone)]
pub struct Dump {
    /// What names it: a hash of its path, in hex. A client cannot make up a path.
    pub key: String,
    /// Its file.
    path: PathBuf,
    /// What the hook says of it; `oci-minidump-hook list --json`.
    pub entry: Map<String, Value>,
}

impl Manager {
    /// The newest dumps, the newest first; none when there is not a hook that could have brought any.
    ///
    /// # Errors
    /// The hook cannot be run, or does not list them.
    pub async fn dumps(&self) -> Result<Vec<Dump>> {
        let Some(hook) = &self.ctx().hook else { return Ok(Vec::new()) };
        // One process at a time reads them, however many clients ask.
        let _alone = self.ctx().listing.lock().await;
        let mut helper = Helper::new(hook, Streams::Captured(MAX_LIST), LIST_TIMEOUT);
        helper.args(["list", "--json", "--last", &MAX_LISTED.to_string()]);
        read(hook, &helper.run().await?)
    }
}

impl Dump {
    /// Its name, for the file in which a client keeps it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Opens it, as the list did: never through a link, and never what is not a regular file. Gives its size, too.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it has gone, or is something else by now; the kernel's.
    pub fn open(&self) -> Result<(File, u64)> {
        let shown = self.path.display();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&self.path, flags, Mode::empty());
        let file = File::from(opened.tried(|| format!("cannot open the dump {shown}"))?);
        let metadata = file.metadata().tried(|| format!("cannot examine the dump {shown}"))?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::NotFound, format!("{shown} is not a dump any more")));
        }
        Ok((file, metadata.len()))
    }
}

/// The hook's list.
fn read(hook: &Path, finished: &Finished) -> Result<Vec<Dump>> {
    let entries: Vec<Map<String, Value>> = serde_json::from_slice(&finished.stdout).map_err(|error| {
        let how = if finished.timed_out { "did not end in time" } else { "gave no list" };
        let stderr = crate::log::cut(String::from_utf8_lossy(&finished.stderr).trim());
        Error::new(ErrorKind::System, format!("{} list {how}: {stderr}", hook.display()))
            .caused_by(error)
            .advise("run it by hand")
    })?;
    Ok(entries.into_iter().filter_map(dump).collect())
}

fn dump(entry: Map<String, Value>) -> Option<Dump> {
    let path = PathBuf::from(entry.get("path")?.as_str()?);
    let hash = Sha256::digest(path.as_os_str().as_bytes());
    let key = HEXLOWER.encode(hash.get(..KEY_BYTES)?);
    Some(Dump { key, path, entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_never_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| {
            let path = dir.path().join(name).display().to_string();
            dump(Map::from_iter([("path".to_owned(), Value::from(path))])).unwrap()
        };
        std::fs::write(dir.path().join("a.dmp"), "MDMP").unwrap();
        std::os::unix::fs::symlink("a.dmp", dir.path().join("link.dmp")).unwrap();
        std::fs::create_dir(dir.path().join("dir.dmp")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("fifo.dmp"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(at("a.dmp").open().unwrap().1, 4);
        for name in ["link.dmp", "dir.dmp", "fifo.dmp", "gone.dmp"] {
            assert!(at(name).open().is_err(), "{name}");
        }
        assert_ne!(at("a.dmp").key, at("link.dmp").key);
        assert_eq!((at("a.dmp").key.len(), at("a.dmp").name().as_str()), (2 * KEY_BYTES, "a.dmp"));
    }
}
