//! How a container ended, as the monitor writes it into the container's directory.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::control::model::state::ExitStatus;
use crate::control::process::handle::ProcessIdentity;
use crate::error::{Result, Tried};
use crate::host;
use crate::oci::bundle::read_json;

/// The file's name.
pub(crate) const EXIT: &str = "exit.json";

/// How the first process of a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Which process: its number alone may be another's by now.
    pub(crate) init: ProcessIdentity,
    /// How it ended.
    pub(crate) exit: ExitStatus,
}

impl Note {
    /// Writes it, whole or not at all, in the place of one of an earlier run.
    ///
    /// # Errors
    /// The kernel's: a full disk, a directory that is gone.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(EXIT);
        let text = serde_json::to_vec(self).map_err(std::io::Error::from);
        host::write::write_private(&path, &text.tried(|| format!("cannot write {}", path.display()))?)
    }

    /// Reads it; `None` when there is none, or it is damaged.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let path = dir.join(EXIT);
        path.exists()
            .then(|| read_json(&path).ok())
            .flatten()
            .and_then(|value| serde_json::from_value(value).ok())
    }
}

/// How the process ended, if it is the one in the note.
pub(crate) fn exit_of(dir: &Path, init: ProcessIdentity) -> Option<ExitStatus> {
    Note::read(dir).filter(|note| note.init == init).map(|note| note.exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_only_for_its_own_process() {
        let dir = tempfile::tempdir().unwrap();
        let init = ProcessIdentity { pid: 7, start_time: 100 };
        assert_eq!(exit_of(dir.path(), init), None);
        Note { init, exit: ExitStatus::Signal(11) }.write(dir.path()).unwrap();
        assert_eq!(exit_of(dir.path(), init), Some(ExitStatus::Signal(11)));
        // The number was given out again.
        assert_eq!(exit_of(dir.path(), ProcessIdentity { start_time: 101, ..init }), None);
        Note { init, exit: ExitStatus::Code(3) }.write(dir.path()).unwrap();
        assert_eq!(exit_of(dir.path(), init), Some(ExitStatus::Code(3)));
        std::fs::write(dir.path().join(EXIT), "{\"init").unwrap();
        assert_eq!(exit_of(dir.path(), init), None);
    }
}
