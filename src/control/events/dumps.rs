//! Tracks which minidumps were brought to the host, and of which container.
//!
//! The hook publishes each dump whole under its final name and notes on the file of which container it is. So a name that is new
//! after the runtime has worked on a container is a dump that was harvested by it, if the note says so. Where a file
//! system keeps no such notes, only a deletion shows it: no other one touches the directory meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use tokio::sync::OwnedMutexGuard;

use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::dump::{Completeness, completeness};
use crate::harvest::crash_record::CrashRecord;
use crate::harvest::marks::CONTAINER_ATTRIBUTE;
use crate::harvest::{Harvest, Harvested};

/// How many entries of a directory are looked at.
const MAX_ENTRIES: usize = 100_000;
/// How long the deletion of another container with the same directory is waited for.
const OTHER_DELETION_TIMEOUT: Duration = Duration::from_secs(10);
/// The most dumps that are remembered as reported. A sweep and a deletion at the same time see the same ones.
const MAX_REPORTED: usize = 4096;

/// What is known of all directories.
#[derive(Debug)]
pub(crate) struct DumpTracker {
    /// Since when dumps are reported by this daemon.
    since: SystemTime,
    /// One lock per directory: containers that share one are deleted one after the other.
    locks: Mutex<BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
    reported: Mutex<VecDeque<Reported>>,
}

/// A file that was reported: its path, inode number, and time of harvest.
type Reported = (PathBuf, u64, (i64, i64));

/// What was there before.
pub(crate) struct Snapshot {
    dirs: Vec<(PathBuf, BTreeSet<OsString>)>,
    /// Whether no other deletion works there, as far as this daemon knows.
    alone: bool,
    _locks: Vec<OwnedMutexGuard<()>>,
}

impl DumpTracker {
    /// Of a daemon that begins now.
    pub(crate) fn new() -> Self {
        Self { since: SystemTime::now(), locks: Mutex::default(), reported: Mutex::default() }
    }

    /// Since when dumps are reported by this daemon, on the clock of files.
    pub(crate) fn since(&self) -> SystemTime {
        self.since
    }

    /// Takes stock of `dirs`, which must be sorted, and keeps other deletions from them.
    pub(crate) async fn reserve(&self, dirs: &[PathBuf]) -> Snapshot {
        let mut locks = Vec::new();
        for dir in dirs {
            let lock = {
                let mut all = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(all.entry(dir.clone()).or_default())
            };
            // A hook that hangs elsewhere may cost the right name in an event, but not this container's end.
            if let Ok(lock) = tokio::time::timeout(OTHER_DELETION_TIMEOUT, lock.lock_owned()).await {
                locks.push(lock);
            }
        }
        Snapshot { alone: true, _locks: locks, ..Snapshot::look(dirs) }
    }

    /// Whether a dump has not been reported yet; from now on it has.
    pub(crate) fn first_report(&self, path: &Path) -> bool {
        let Ok(file) = path.symlink_metadata() else { return true };
        let this = (path.to_owned(), file.ino(), (file.mtime(), file.mtime_nsec()));
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.contains(&this) {
            return false;
        }
        reported.truncate(MAX_REPORTED - 1);
        reported.push_front(this);
        true
    }
}

impl Snapshot {
    /// Takes stock of `dirs` while others may be at work there.
    pub(crate) fn look(dirs: &[PathBuf]) -> Self {
        let dirs = dirs.iter().map(|dir| (dir.clone(), dumps(dir))).collect();
        Self { dirs, alone: false, _locks: Vec::new() }
    }

    /// Counts what was harvested of container `id` after `time` as not there before: the daemon that had it harvested
    /// may not have announced it.
    pub(crate) fn forget_since(&mut self, id: &ContainerId, time: SystemTime) {
        for (dir, before) in &mut self.dirs {
            before.retain(|name| {
                let path = dir.join(name);
                let harvested = path.symlink_metadata().and_then(|file| file.modified());
                harvested.map_or(true, |harvested| harvested < time)
                    || owner(&path).as_deref() != Some(id.as_str())
            });
        }
    }

    /// The events of everything of container `id` that is there now and was not.
    pub(crate) fn new_dumps(&self, id: &ContainerId) -> Vec<Event> {
        let mut events = Vec::new();
        for (dir, before) in &self.dirs {
            for name in dumps(dir).difference(before) {
                let path = dir.join(name);
                if owner(&path).map_or(self.alone, |owner| owner == id.as_str()) {
                    events.push(event(id, path));
                }
            }
        }
        events
    }
}

/// The events of what a hook has harvested of container `id`.
pub(crate) fn of_harvest(id: &ContainerId, harvest: Harvest) -> Vec<Event> {
    let event = |dump: Harvested| {
        let name = dump.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let truncated = dump.truncated.is_some();
        let record = CrashRecord::find(&dump.path).map(Box::new);
        Event::Minidump { id: id.clone(), name, path: dump.path, size: dump.size, truncated, record }
    };
    harvest.dumps.into_iter().map(event).collect()
}

/// Whether a dump came to the host at `time` or later; without a time it did.
pub(crate) fn is_since(path: &Path, time: Option<SystemTime>) -> bool {
    let harvested = path.symlink_metadata().and_then(|file| file.modified());
    time.is_none_or(|time| harvested.is_ok_and(|harvested| harvested >= time))
}

/// When the newest of these dumps came to the host.
pub(crate) fn newest(events: &[Event]) -> Option<SystemTime> {
    let time = |event: &Event| match event {
        Event::Minidump { path, .. } => path.symlink_metadata().and_then(|file| file.modified()).ok(),
        _ => None,
    };
    events.iter().filter_map(time).max()
}

/// The event of one dump.
fn event(id: &ContainerId, path: PathBuf) -> Event {
    let (size, truncated) = measure(&path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let record = CrashRecord::find(&path).map(Box::new);
    Event::Minidump { id: id.clone(), name, path, size, truncated, record }
}

fn dumps(dir: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().take(MAX_ENTRIES);
    let names = entries.map(|entry| entry.file_name());
    names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "dmp")).collect()
}

/// The container of a dump, as the hook noted on it: `None` without a note, empty for what cannot be a dump of ours.
fn owner(path: &Path) -> Option<String> {
    let mut note = [0; 256];
    match rustix::fs::lgetxattr(path, CONTAINER_ATTRIBUTE, &mut note[..]) {
        Ok(length) => Some(String::from_utf8_lossy(note.get(..length).unwrap_or_default()).into_owned()),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => None,
        Err(_) => Some(String::new()),
    }
}

/// Size of a dump, and whether something is missing at its end.
fn measure(path: &Path) -> (u64, bool) {
    let Ok(file) = File::open(path) else { return (0, true) };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    (size, completeness(&file).map_or(true, |found| found != Completeness::Complete))
}
