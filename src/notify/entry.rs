//! An entry of the spool: what is known of a published dump, and how far its hand-over has come.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::log::shortened;
use crate::notify::age::Age;
use crate::settings::notify::Notify;

/// The longest text of a container that is kept, in bytes.
const MAX_TEXT: usize = 256;
/// The most bytes of a crash record that are read.
const MAX_RECORD: u64 = 16 << 10;
/// The attribute with the crash record of a dump, where it has no file of its own.
pub const RECORD_ATTRIBUTE: &str = "user.oci-minidump.record";
/// The most bytes of such an attribute: all that one of ext4 can hold.
const MAX_ATTRIBUTE: usize = 4096;

/// What is left to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The dump; an entry without one has only a count.
    pub dump: Option<Dump>,
    /// The container whose crashes are counted, and how many more were not kept.
    pub not_kept: Option<(String, u64)>,
    /// Whether it was counted.
    pub counted: bool,
    /// Whether the program has taken it.
    pub ran: bool,
    /// Whether it was posted.
    pub posted: bool,
    /// What is left to be posted since the program has run, which may have taken the dump away.
    pub document: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// How long it has waited.
    pub age: Age,
    /// Before when it is not tried again, in seconds since 1970.
    pub not_before: u64,
}

/// A published dump.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dump {
    /// Where it lies.
    pub path: PathBuf,
    /// Its crash record, if one was written.
    pub record: Option<PathBuf>,
    /// The container's id, if it is known.
    pub container: Option<String>,
    /// What the engine calls the container, if it says so.
    pub name: Option<String>,
    /// The file name of the program, if crashes are counted.
    pub program: Option<String>,
    /// When the crash was: UTC, RFC 3339.
    pub time: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Its inode, and that of its directory: another dump may have its name later, and before its file system is mounted
    /// another directory has that of its directory. 0 when it is not known.
    pub inode: u64,
    /// See `inode`.
    pub directory: u64,
}

/// What lies in the place of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The dump.
    Taken,
    /// Nothing, or another file: an uploader or retention has taken it.
    Gone,
    /// Its directory is not there: a file system that is not mounted yet.
    Away,
}

/// The crash record in the attribute of a dump.
#[must_use]
pub fn record_of(path: &Path) -> Option<Vec<u8>> {
    let mut value = vec![0; MAX_ATTRIBUTE];
    let length = rustix::fs::lgetxattr(path, RECORD_ATTRIBUTE, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

/// The time of the host, in seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Entry {
    /// The entry of a dump that was published just now.
    #[must_use]
    pub fn of(mut dump: Dump) -> Self {
        for text in [&mut dump.container, &mut dump.name, &mut dump.program].into_iter().flatten() {
            *text = shortened(text, MAX_TEXT).to_owned();
        }
        Self { dump: Some(dump), age: Age::start(), ..Self::default() }
    }

    /// An entry that only counts.
    #[must_use]
    pub fn count(container: &str, count: u64) -> Self {
        Self { not_kept: Some((shortened(container, MAX_TEXT).to_owned(), count)), ..Self::default() }
    }

    /// Whether nothing is left to do but to count it.
    #[must_use]
    pub fn is_done(&self, notify: &Notify) -> bool {
        self.dump.is_none()
            || ((notify.exec.is_none() || self.ran) && (notify.webhook.is_none() || self.posted))
    }

    /// Its bytes in the spool.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a path is not UTF-8.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Config, "cannot note the dump for its hand-over")
                .caused_by(error)
                .advise("use a destination whose path is UTF-8")
        })
    }
}

impl Dump {
    /// The same, with what is known of the place where it lies now.
    #[must_use]
    pub fn located(mut self) -> Self {
        self.inode = std::fs::symlink_metadata(&self.path).map_or(0, |found| found.ino());
        let directory = self.path.parent().map(std::fs::metadata);
        self.directory = directory.and_then(|found| found.ok()).map_or(0, |found| found.ino());
        self
    }

    /// What lies in its place. What cannot be known counts as the dump.
    #[must_use]
    pub fn look(&self) -> Place {
        let is_other = |known: u64, found: u64| known != 0 && found != known;
        match self.path.parent().map(std::fs::metadata) {
            Some(Ok(directory)) if !is_other(self.directory, directory.ino()) => {}
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {}
            _ => return Place::Away,
        }
        match std::fs::symlink_metadata(&self.path) {
            Ok(found) if is_other(self.inode, found.ino()) => Place::Gone,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Place::Gone,
            _ => Place::Taken,
        }
    }

    /// Its crash record, if that is there.
    #[must_use]
    pub fn record(&self) -> Option<&PathBuf> {
        self.record
            .as_ref()
            .filter(|record| std::fs::symlink_metadata(record).is_ok_and(|found| found.is_file()))
    }

    /// What is posted: its crash record, if there is one, and where it lies.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let record = self.record().and_then(|path| host::read_bounded(path, MAX_RECORD).ok());
        let record = record.or_else(|| record_of(&self.path));
        let record = record.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let mut document = record.filter(Value::is_object).unwrap_or_else(|| {
            let Self { container, name, time, size, .. } = self;
            let all = json!({"container": container, "name": name, "time": time, "size": size});
            let known = all.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
            known.map(|(key, value)| (key.clone(), value.clone())).collect()
        });
        document["path"] = self.path.to_string_lossy().into();
        document.to_string().into_bytes()
    }
}
