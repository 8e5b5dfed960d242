//! Where containers wrote that have ended, if that is not the daemon's log, and whether that was cut: known over restarts of
//! the daemon.

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
/// How many files there are: a note of each container, and perhaps the times of its output.
const MAX_FILES: usize = 128;

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
    /// Whether its log's first line has lost its beginning.
    is_cut: bool,
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
        self.dir.join(format!("{id}.json"))
    }

    /// Where the times of what is in a container's own file are kept.
    pub(crate) fn times(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{id}.times"))
    }

    /// A container has ended, and all that it wrote is there. Without a note its output is looked for in the daemon's log.
    pub(crate) fn keep(&self, id: &ContainerId, sink: &Sink, is_cut: bool) {
        if *sink == Sink::Log && !is_cut {
            return self.forget(id);
        }
        let file = if let Sink::File { path, .. } = sink { Version::of(path) } else { None };
        if let Err(error) = self.write(id, &Note { sink: sink.clone(), file, is_cut }) {
            log::debug!("{}", error.report());
        }
    }

    fn write(&self, id: &ContainerId, note: &Note) -> Result<()> {
        let what = || format!("cannot make {}", self.dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).tried(what)?;
        host::write::write_private(&self.path(id), &serde_json::to_vec(note).unwrap_or_default())?;
        let modified = |file: Metadata| file.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let entries = std::fs::read_dir(&self.dir).tried(what)?.flatten();
        let mut files: Vec<_> =
            entries.filter_map(|entry| Some((entry.metadata().map(modified).ok()?, entry.path()))).collect();
        files.sort();
        for (_, oldest) in files.iter().take(files.len().saturating_sub(MAX_FILES)) {
            let _gone = std::fs::remove_file(oldest);
        }
        Ok(())
    }

    /// A container of this id begins another log.
    pub(crate) fn forget(&self, id: &ContainerId) {
        for path in [self.path(id), self.times(id)] {
            let _none = std::fs::remove_file(path);
        }
    }

    fn note(&self, id: &ContainerId) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(self.path(id)).ok()?).ok()
    }

    /// Where the last container of this id wrote, which has ended.
    pub(crate) fn sink(&self, id: &ContainerId) -> Sink {
        self.note(id).map(|note| note.sink).unwrap_or_default()
    }

    /// Whether the first line of its log has lost its beginning.
    pub(crate) fn is_cut(&self, id: &ContainerId) -> bool {
        self.note(id).is_some_and(|note| note.is_cut)
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
        for number in 0..MAX_FILES + 5 {
            sinks.keep(&id(number), &own, false);
        }
        assert_eq!(std::fs::read_dir(dir.path().join(SINKS)).unwrap().count(), MAX_FILES);
        let last = id(MAX_FILES + 4);
        let next = LastSinks::of(dir.path());
        assert!(next.sink(&last) == own && next.is_as_it_was(&last, &file));
        std::fs::write(&file, "longer").unwrap();
        assert!(!next.is_as_it_was(&last, &file));
        next.keep(&last, &Sink::Discard, false);
        assert_eq!((next.sink(&last), next.sink(&id(0))), (Sink::Discard, Sink::Log));
        next.keep(&last, &Sink::Log, true);
        assert_eq!((next.sink(&last), next.is_cut(&last)), (Sink::Log, true));
        next.keep(&last, &Sink::Log, false);
        assert_eq!((next.sink(&last), next.is_cut(&last)), (Sink::Log, false));
    }
}
