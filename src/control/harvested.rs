//! Tells which minidumps the deletion of a container brought to the host.
//!
//! The hook publishes each dump whole under its final name, so a name that is new after the deletion is a dump
//! that was harvested by it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::{ContainerId, Event};
use crate::dump::{Completeness, completeness};

/// How many entries of a directory are looked at.
const MOST: usize = 100_000;
/// How long the deletion of another container with the same directory is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// One lock per directory: containers that share one are deleted one after the other, since nothing else tells
/// whose a new dump is.
#[derive(Debug, Default)]
pub(super) struct Directories {
    locks: std::sync::Mutex<std::collections::BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

/// What was there before.
pub(super) struct Before {
    dirs: Vec<(PathBuf, BTreeSet<OsString>)>,
    _locks: Vec<OwnedMutexGuard<()>>,
}

impl Directories {
    /// Takes stock of `dirs`, which must be sorted.
    pub(super) async fn before(&self, dirs: &[PathBuf]) -> Before {
        let mut locks = Vec::new();
        for dir in dirs {
            let lock = match self.locks.lock() {
                Ok(mut all) => Arc::clone(all.entry(dir.clone()).or_default()),
                Err(_) => continue,
            };
            // A hook that hangs elsewhere may cost the right name in an event, but not this container's end.
            if let Ok(lock) = tokio::time::timeout(PATIENCE, lock.lock_owned()).await {
                locks.push(lock);
            }
        }
        Before { dirs: dirs.iter().map(|dir| (dir.clone(), dumps(dir))).collect(), _locks: locks }
    }
}

impl Before {
    /// The events of everything that is there now and was not.
    pub(super) fn new_ones(&self, id: &ContainerId) -> Vec<Event> {
        let mut events = Vec::new();
        for (dir, before) in &self.dirs {
            for name in dumps(dir).difference(before) {
                let path = dir.join(name);
                let (size, truncated) = measure(&path);
                let name = name.to_string_lossy().into_owned();
                events.push(Event::Minidump { id: id.clone(), name, path, size, truncated });
            }
        }
        events
    }
}

fn dumps(dir: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().take(MOST);
    let names = entries.map(|entry| entry.file_name());
    names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "dmp")).collect()
}

/// Size of a dump, and whether something is missing at its end.
fn measure(path: &Path) -> (u64, bool) {
    let Ok(file) = File::open(path) else { return (0, true) };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    (size, completeness(&file).map_or(true, |found| found != Completeness::Complete))
}
