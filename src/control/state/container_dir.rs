//! A container's directory below the state directory: the bundle the runtime gets, and what a later daemon must
//! know.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::control::model::id::ContainerId;
use crate::control::monitor::note::EXIT;
use crate::control::state::saved_state::SavedState;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host::{self, remove_unmounted};
use crate::oci::bundle::read_json;
use crate::oci::run;

/// How often the removal of a directory is tried.
const REMOVE_ATTEMPTS: u32 = 10;
/// An empty file: only a directory that has it is of a container, and is ever removed.
const MARK: &str = "mark";
/// The effective configuration.
const CONFIG: &str = "config.json";
/// The saved state.
const RECORD: &str = "record.json";
/// What is hibernated, what was mounted later, and the stop that was accepted: notes of one run, of which the next one
/// knows nothing.
pub(crate) const HIBERNATION: &str = "hibernation.json";
pub(crate) const MOUNTS: &str = "mounts.json";
pub(crate) const STOP: &str = "stop.json";
/// Where the root file system of a bundle is mounted that belongs to an app's user.
pub(crate) const ROOT: &str = "rootfs";
/// An empty file, with the time of the newest dump that was announced while the container ran.
const ANNOUNCED: &str = "announced";
/// The runtime's pid file.
pub(crate) const PID_FILE: &str = "container.pid";
/// The most bytes of a small text file that are read.
const MAX_TEXT: u64 = 64 * 1024;
/// Where dumps go for which there is no other place, beside the directories of the containers. No container has such an id.
pub(crate) const DUMPS: &str = "+minidumps";
/// Permission for everybody to pass through a directory.
const TRAVERSAL_BITS: u32 = 0o011;

/// The directory of one container. All files in it are ours, 0600; the bundle that a spec became has its root file
/// system in a directory below.
#[derive(Debug, Clone)]
pub(crate) struct ContainerDir {
    dir: PathBuf,
}

impl ContainerDir {
    pub(crate) fn new(state_dir: &Path, id: &ContainerId) -> Self {
        Self { dir: state_dir.join(id.as_str()) }
    }

    /// The directory itself: the bundle for the runtime.
    pub(crate) fn path(&self) -> &Path {
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
        DirBuilder::new().mode(0o700).create(&self.dir).tried(what)?;
        write_new(&self.file(MARK), b"").tried(what)
    }

    /// Whether there is such a directory, and it is of a container. An empty one may be of a daemon that was killed right
    /// after it had made it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when something else is in its place.
    pub(crate) fn is_there(&self) -> Result<bool> {
        let Ok(metadata) = std::fs::symlink_metadata(&self.dir) else { return Ok(false) };
        // Before there were marks, the saved state was written first.
        let is_ours = || self.file(MARK).exists() || self.load().is_ok();
        if metadata.is_dir() && (is_ours() || std::fs::remove_dir(&self.dir).is_ok()) {
            return Ok(self.dir.exists());
        }
        let what = format!("{} is not of a container, and stays", self.dir.display());
        Err(Error::new(ErrorKind::Config, what).advise("use a state directory for the daemon alone"))
    }

    /// Lets everybody pass through the directory and the one above, without seeing what is in them.
    ///
    /// The root of a user namespace has no privileges on the host and mounts from inside: what it mounts from here must
    /// be within its reach. No file here is readable to it but the root file system of a spec.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn allow_traversal(&self) -> Result<()> {
        for dir in self.dir.ancestors().take(2) {
            let mode = std::fs::metadata(dir).map(|metadata| metadata.permissions().mode());
            mode.and_then(|mode| {
                std::fs::set_permissions(dir, Permissions::from_mode(mode | TRAVERSAL_BITS))
            })
            .tried(|| format!("cannot change the permissions of {}", dir.display()))?;
        }
        Ok(())
    }

    /// Writes the configuration, which must not be there.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn save_config(&self, config: &Value) -> Result<()> {
        let what = || format!("cannot write {}", self.file(CONFIG).display());
        let text = serde_json::to_vec(config).map_err(std::io::Error::from).tried(what)?;
        write_new(&self.file(CONFIG), &text).tried(what)
    }

    /// Writes the saved state, whole or not at all. It is not synced: after a power cut there is no container either.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn save(&self, saved: &SavedState) -> Result<()> {
        let path = self.file(RECORD);
        let text = serde_json::to_vec(saved).map_err(std::io::Error::from);
        host::write::write_private(&path, &text.tried(|| format!("cannot write {}", path.display()))?)
    }

    /// Forgets the saved state: a later daemon takes the container for one whose start was interrupted.
    pub(crate) fn forget_saved_state(&self) {
        self.discard(RECORD);
    }

    /// When the saved state was written.
    pub(crate) fn save_time(&self) -> Option<SystemTime> {
        std::fs::metadata(self.file(RECORD)).and_then(|file| file.modified()).ok()
    }

    /// Notes that the dumps that came to the host until `time` are announced. Without the note, some may be announced again.
    pub(crate) fn note_announced(&self, time: SystemTime) {
        let noted = std::fs::File::create(self.file(ANNOUNCED)).and_then(|file| file.set_modified(time));
        if let Err(error) = noted {
            log::debug!("cannot write {}: {error}", self.file(ANNOUNCED).display());
        }
    }

    /// Since when dumps may not have been announced; `None` when nothing was noted.
    pub(crate) fn unannounced_since(&self) -> Option<SystemTime> {
        let time = std::fs::metadata(self.file(ANNOUNCED)).and_then(|file| file.modified()).ok()?;
        time.checked_add(Duration::from_nanos(1))
    }

    /// Reads the saved state.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is missing or damaged.
    pub(crate) fn load(&self) -> Result<SavedState> {
        read_typed(&self.file(RECORD))
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is missing or damaged.
    pub(crate) fn config(&self) -> Result<Value> {
        read_json(&self.file(CONFIG))
    }

    /// Writes a note, which must not be there: what a plugin must undo or bring home later.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn write_note<T: Serialize>(&self, name: &str, note: &T) -> Result<()> {
        let path = self.file(name);
        let what = || format!("cannot write {}", path.display());
        let text = serde_json::to_vec(note).map_err(std::io::Error::from).tried(what)?;
        write_new(&path, &text).tried(what)
    }

    /// Writes a note in the place of an earlier one, whole or not at all.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn replace_note<T: Serialize>(&self, name: &str, note: &T) -> Result<()> {
        let path = self.file(name);
        let text = serde_json::to_vec(note).map_err(std::io::Error::from);
        host::write::write_private(&path, &text.tried(|| format!("cannot write {}", path.display()))?)
    }

    /// Reads a note; `None` when there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is damaged: nothing in it may be guessed.
    pub(crate) fn note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.file(name);
        if path.exists() { read_typed(&path).map(Some) } else { Ok(None) }
    }

    /// The process id in the runtime's pid file.
    ///
    /// # Errors
    /// [`ErrorKind::System`] when there is none.
    pub(crate) fn pid(&self) -> Result<i32> {
        let path = self.file(PID_FILE);
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

    /// Removes the notes of an earlier run.
    pub(crate) fn forget_run(&self) {
        for name in [HIBERNATION, MOUNTS, STOP, EXIT, run::FILE] {
            self.discard(name);
        }
    }

    /// Removes the directory and everything in it. The mark goes last: a daemon that is killed meanwhile leaves the rest to
    /// the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when something is mounted in it; [`ErrorKind::Config`] when it is not of a container; the kernel's.
    pub(crate) fn remove(&self) -> Result<()> {
        if !self.is_there()? {
            return Ok(());
        }
        // A bundle made from a spec, or the draft of one; what a plugin did not come to remove.
        for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove_unmounted(&entry.path())?;
            }
        }
        let mut removed = self.try_remove();
        for _ in 1..REMOVE_ATTEMPTS {
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
        let names = std::fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<std::io::Result<Vec<_>>>()?;
        for name in names.iter().filter(|name| *name != MARK).map(AsRef::as_ref).chain([MARK.as_ref()]) {
            let name: &Path = name;
            match std::fs::remove_file(self.dir.join(name)) {
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

/// Removes a file, if it is there. A leftover is harmless.
pub(crate) fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != IoKind::NotFound
    {
        log::warn!("cannot remove {}: {error}", path.display());
    }
}

/// Reads a file that a daemon has written.
fn read_typed<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_value(read_json(path)?).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{} is damaged", path.display())).caused_by(error)
    })
}

fn read_some(path: &Path) -> std::io::Result<String> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_TEXT).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
