//! A container's directory below the state directory: the bundle the runtime gets, and what a later daemon must
//! know.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::process::handle::Identity;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host::remove_unmounted;
use crate::oci::bundle::read_json;

/// How often the removal of a directory is tried.
const ATTEMPTS: u32 = 10;
/// Where dumps go that nobody else can take, beside the directories of the containers. No container has such an id.
pub(crate) const DUMPS: &str = "+minidumps";
/// Permission for everybody to pass through a directory.
const PASS: u32 = 0o011;

/// What a later daemon must know of a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its descriptor.
    pub(crate) descriptor: i32,
    /// When it was started, in nanoseconds since the machine booted; gives the order of the list.
    pub(crate) started: u64,
    /// Its init; `None` while the runtime is still at it.
    pub(crate) init: Option<Identity>,
    /// How often it was started again after crashes; `None` when that is not wanted.
    #[serde(default)]
    pub(crate) restarts: Option<u32>,
    /// Whether nobody may have heard of its start.
    #[serde(default)]
    pub(crate) untold: bool,
    /// How it ended, once a daemon knows.
    #[serde(default)]
    pub(crate) exit: Option<ExitStatus>,
}

/// The directory of one container. All files in it are ours, 0600; the bundle that a spec became has its root file
/// system in a directory below.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    pub(crate) fn new(state_dir: &Path, id: &ContainerId) -> Self {
        Self { dir: state_dir.join(id.as_str()) }
    }

    /// The directory itself: the bundle for the runtime.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes the directory. Nothing may be there.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn create(&self) -> Result<()> {
        let what = || format!("cannot make {}", self.dir.display());
        DirBuilder::new().mode(0o700).create(&self.dir).tried(what)
    }

    /// Lets everybody pass through the directory and the one above, without seeing what is in them.
    ///
    /// The root of a user namespace is nobody special on the host and mounts from inside: what it mounts from here must
    /// be within its reach. No file here is readable to it but the root file system of a spec.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn let_pass(&self) -> Result<()> {
        for dir in self.dir.ancestors().take(2) {
            let mode = std::fs::metadata(dir).map(|metadata| metadata.permissions().mode());
            mode.and_then(|mode| std::fs::set_permissions(dir, Permissions::from_mode(mode | PASS)))
                .tried(|| format!("cannot change the permissions of {}", dir.display()))?;
        }
        Ok(())
    }

    /// Writes the configuration, which must not be there.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn save_config(&self, config: &Value) -> Result<()> {
        let what = || format!("cannot write {}", self.dir.join("config.json").display());
        let text = serde_json::to_vec(config).map_err(std::io::Error::from).tried(what)?;
        write_new(&self.file("config.json"), &text).tried(what)
    }

    /// Writes the record, whole or not at all. It is not synced: after a power cut there is no container either.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        let path = self.file("record.json");
        let what = || format!("cannot write {}", path.display());
        let text = serde_json::to_vec(record).map_err(std::io::Error::from).tried(what)?;
        let new = self.file("record.json.new");
        let _none_left = std::fs::remove_file(&new);
        write_new(&new, &text).tried(what)?;
        std::fs::rename(&new, &path).tried(what)
    }

    /// When the record was written.
    pub(crate) fn saved(&self) -> Option<std::time::SystemTime> {
        std::fs::metadata(self.file("record.json")).and_then(|file| file.modified()).ok()
    }

    /// Reads the record.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is missing or damaged.
    pub(crate) fn load(&self) -> Result<Record> {
        let path = self.file("record.json");
        serde_json::from_value(read_json(&path)?).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("{} is damaged", path.display())).caused_by(error)
        })
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is missing or damaged.
    pub(crate) fn config(&self) -> Result<Value> {
        read_json(&self.file("config.json"))
    }

    /// The pid in a pid file.
    ///
    /// # Errors
    /// [`ErrorKind::System`] when there is none.
    pub(crate) fn pid(&self, name: &str) -> Result<i32> {
        let path = self.file(name);
        let text = read_some(&path).tried(|| format!("the runtime left no {}", path.display()))?;
        text.trim().parse().map_err(|error| {
            let what = format!("there is no process id in {}", path.display());
            Error::new(ErrorKind::System, what).caused_by(error)
        })
    }

    /// What is in a small text file; nothing if it is not there.
    pub(crate) fn text(&self, name: &str) -> String {
        read_some(&self.file(name)).unwrap_or_default()
    }

    /// Removes one file, if it is there.
    pub(crate) fn discard(&self, name: &str) {
        discard(&self.file(name));
    }

    /// Removes the directory and everything in it.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when something is mounted in it; the kernel's.
    pub(crate) fn remove(&self) -> Result<()> {
        // A bundle made from a spec, or the draft of one; what a plugin did not come to remove.
        let is_dir = |entry: std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        if std::fs::read_dir(&self.dir).into_iter().flatten().flatten().any(is_dir) {
            remove_unmounted(&self.dir)?;
        }
        let mut removed = self.try_remove();
        for _ in 1..ATTEMPTS {
            match removed {
                // A command that was just being launched made another file.
                Err(error) if error.kind() == IoKind::DirectoryNotEmpty => removed = self.try_remove(),
                _ => break,
            }
        }
        match removed {
            Err(error) if error.kind() == IoKind::NotFound => Ok(()),
            removed => removed.tried(|| format!("cannot remove {}", self.dir.display())),
        }
    }

    fn try_remove(&self) -> std::io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            match std::fs::remove_file(entry?.path()) {
                Err(error) if error.kind() != IoKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::remove_dir(&self.dir)
    }
}

/// Makes a file that only we can read; it must not be there.
pub(crate) fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// Removes a file, if it is there. One that stays harms nobody.
pub(crate) fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != IoKind::NotFound
    {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}

fn read_some(path: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(64 * 1024).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
