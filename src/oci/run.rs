//! What a supervisor knows of a run of a container and no runtime says: how often it was restarted, and how it ended. It
//! leaves a note in the bundle before the container starts, and another before it is deleted; `ocicontainer` does.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host;

/// The name of the note, in the bundle.
pub const FILE: &str = "run.json";
/// The most bytes of it that are read.
const MAX_SIZE: u64 = 4096;

/// What is known of a run. What is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// How many times the container was restarted after crashes before this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// The code with which the container's first process exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The number of the signal that ended it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_signal: Option<i32>,
}

/// The note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNote {
    /// Once it has ended: the first process, and when it started, in clock ticks since boot. A note of another run says
    /// nothing of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<(i32, u64)>,
    /// What is known.
    #[serde(flatten)]
    pub run: Run,
}

impl Run {
    /// What the note in `bundle` says of a run that begins.
    #[must_use]
    pub fn that_begins(bundle: &Path) -> Self {
        let note = RunNote::read(bundle).filter(|note| note.init.is_none());
        Self { restarts: note.and_then(|note| note.run.restarts), ..Self::default() }
    }

    /// Whether it is known how it ended.
    #[must_use]
    pub fn has_ended(self) -> bool {
        self.exit_code.is_some() || self.exit_signal.is_some()
    }

    /// What the note in `bundle` says of the run of this first process, which has ended.
    #[must_use]
    pub fn that_ended(bundle: &Path, init: (i32, u64)) -> Option<Self> {
        RunNote::read(bundle).filter(|note| note.init == Some(init)).map(|note| note.run)
    }
}

impl RunNote {
    fn read(bundle: &Path) -> Option<Self> {
        let path = bundle.join(FILE);
        if !path.exists() {
            return None;
        }
        let read = host::read_bounded(&path, MAX_SIZE).map_err(|error| error.report());
        let read = read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        read.inspect_err(|why| log::debug!("{} cannot be understood: {why}", path.display())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_one_run_and_one_that_is_damaged_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(dir.path().join(FILE), text).unwrap();
        assert_eq!(Run::that_begins(dir.path()), Run::default());
        write(r#"{"restarts":2}"#);
        assert_eq!(Run::that_begins(dir.path()).restarts, Some(2));
        assert_eq!(Run::that_ended(dir.path(), (7, 100)), None, "it has not ended");
        let run = Run { restarts: Some(2), exit_code: Some(9), exit_signal: None };
        write(&serde_json::to_string(&RunNote { init: Some((7, 100)), run }).unwrap());
        assert_eq!(Run::that_ended(dir.path(), (7, 100)), Some(run));
        assert_eq!(Run::that_ended(dir.path(), (7, 101)), None, "the number is another process's");
        assert_eq!(Run::that_begins(dir.path()), Run::default(), "it is of the run before");
        for bad in ["", "{", "[]", r#"{"restarts":-1}"#, r#"{"restarts":1,"init":3}"#, &" ".repeat(5000)] {
            write(bad);
            assert_eq!(Run::that_begins(dir.path()), Run::default(), "{bad}");
        }
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        assert_eq!(Run::that_begins(dir.path()), Run::default());
    }
}
