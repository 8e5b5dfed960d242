//! Where containers wrote that have ended, if that is not the daemon's log: known over restarts of the daemon.

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::control::model::id::ContainerId;
use crate::control::output::sink::Sink;
use crate::error::{Result, Tried};
use crate::host;

/// The directory of the notes, beside those of the containers. No container has such an id.
const SINKS: &str = "+sinks";
/// Of how many containers there are notes.
const MAX_NOTES: usize = 64;

/// All notes.
#[derive(Debug)]
pub(crate) struct LastSinks {
    dir: PathBuf,
}

/// The note of one container.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    sink: Sink,
    /// Of its own file, as it was at the container's end.
    file: Option<Version>,
}

/// What changes with what is written to a file: its number, its length, and when it was written, in nanoseconds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version(u64, u64, i64, i64);

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let is = path.symlink_metadata().ok()?;
        Some(Self(is.ino(), is.len(), is.mtime(), is.mtime_nsec()))
    }
}

impl LastSinks {
    /// In the state directory.
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.join(SINKS) }
    }

    fn path(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(id.as_str())
    }

    /// A container has ended, and all that it wrote is there. Without a note its output is looked for in the daemon's log.
    pub(crate) fn keep(&self, id: &ContainerId, sink: &Sink) {
        if *sink == Sink::Log {
            return self.forget(id);
        }
        let file = if let Sink::File { path, .. } = sink { Version::of(path) } else { None };
        if let Err(error) = self.write(id, &Note { sink: sink.clone(), file }) {
            log::debug!("{}", error.report());
        }
    }

    fn write(&self, id: &ContainerId, note: &Note) -> Result<()> {
        let what = || format!("cannot make {}", self.dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).tried(what)?;
        host::write::write_private(&self.path(id), &serde_json::to_vec(note).unwrap_or_default())?;
        let modified = |file: Metadata| file.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let entries = std::fs::read_dir(&self.dir).tried(what)?.flatten();
        let mut notes: Vec<_> =
            entries.filter_map(|entry| Some((entry.metadata().map(modified).ok()?, entry.path()))).collect();
        notes.sort();
        for (_, oldest) in notes.iter().take(notes.len().saturating_sub(MAX_NOTES)) {
            let _gone = std::fs::remove_file(oldest);
        }
        Ok(())
    }

    /// A container of this id begins another log.
    pub(crate) fn forget(&self, id: &ContainerId) {
        let _none = std::fs::remove_file(self.path(id));
    }

    fn note(&self, id: &ContainerId) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(self.path(id)).ok()?).ok()
    }

    /// Where the last container of this id wrote, which has ended.
    pub(crate) fn sink(&self, id: &ContainerId) -> Sink {
        self.note(id).map(|note| note.sink).unwrap_or_default()
    }

    /// Whether a container's own file is as it was at the end of the container. Another one may write to it.
    pub(crate) fn is_as_it_was(&self, id: &ContainerId, file: &Path) -> bool {
        self.note(id).and_then(|note| note.file).is_some_and(|known| Version::of(file) == Some(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_there_for_the_next_daemon_and_do_not_pile_up() {
        let dir = tempfile::tempdir().unwrap();
        let (sinks, file) = (LastSinks::of(dir.path()), dir.path().join("own.log"));
        let id = |number: usize| format!("a{number}").parse::<ContainerId>().unwrap();
        std::fs::write(&file, "text").unwrap();
        let own = Sink::File { path: file.clone(), limit: Some(7) };
        for number in 0..MAX_NOTES + 5 {
            sinks.keep(&id(number), &own);
        }
        assert_eq!(std::fs::read_dir(dir.path().join(SINKS)).unwrap().count(), MAX_NOTES);
        let last = id(MAX_NOTES + 4);
        let next = LastSinks::of(dir.path());
        assert!(next.sink(&last) == own && next.is_as_it_was(&last, &file));
        std::fs::write(&file, "longer").unwrap();
        assert!(!next.is_as_it_was(&last, &file));
        next.keep(&last, &Sink::Discard);
        assert_eq!((next.sink(&last), next.sink(&id(0))), (Sink::Discard, Sink::Log));
        next.keep(&last, &Sink::Log);
        assert_eq!(next.sink(&last), Sink::Log);
    }
}
