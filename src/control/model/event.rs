//! What subscribers receive.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::control::model::id::ContainerId;
use crate::control::model::state::{ExitStatus, State};
use crate::harvest::crash_record::CrashRecord;

/// Something happened to a container. For one container the order is Started, Minidump (any number), Stopped. A
/// Minidump outside of that is of an earlier life, and was harvested late: at the next start, or by a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Its program runs.
    Started {
        /// Which one.
        id: ContainerId,
        /// Its descriptor.
        descriptor: i32,
    },
    /// It ended, was deleted, and its dumps are on disk.
    Stopped {
        /// Which one.
        id: ContainerId,
        /// The descriptor it had.
        descriptor: i32,
        /// How it ended.
        exit: ExitStatus,
    },
    /// It was started, could not be kept, and was killed. A start that fails is an error of the call, not an event.
    Failed {
        /// Which one.
        id: ContainerId,
        /// The descriptor it had.
        descriptor: i32,
        /// Always 1, as Thunder has it.
        error_code: i32,
    },
    /// It is in another state now. Not kept for later: the state of a container can be asked for.
    StateChanged {
        /// Which one.
        id: ContainerId,
        /// Its descriptor.
        descriptor: i32,
        /// The new state.
        state: State,
    },
    /// A crash dump of it was brought to the host.
    Minidump {
        /// Which container.
        id: ContainerId,
        /// The file's name.
        name: String,
        /// The file's path on the host.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// Whether the end of the dump is missing.
        truncated: bool,
        /// Its crash record, if there is one that can be understood.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<Box<CrashRecord>>,
    },
    /// It crashes more often than dumps are kept of that. Comes after the dump that shows it.
    CrashLoop {
        /// Which container.
        id: ContainerId,
        /// How many crashes there were by now.
        count: u64,
        /// When the first of them was, in seconds since 1970, as the container says.
        since: i64,
    },
}

impl Event {
    /// The container that it is about.
    #[must_use]
    pub fn container(&self) -> &ContainerId {
        match self {
            Self::Started { id, .. }
            | Self::Stopped { id, .. }
            | Self::Failed { id, .. }
            | Self::StateChanged { id, .. }
            | Self::Minidump { id, .. }
            | Self::CrashLoop { id, .. } => id,
        }
    }

    /// Whether it is about crashes, and so news also after a later start.
    #[must_use]
    pub fn is_of_crash(&self) -> bool {
        matches!(self, Self::Minidump { .. } | Self::CrashLoop { .. })
    }
}

/// Which daemon started the container of an event. Clients of an earlier daemon have lost their connections with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This one.
    ThisDaemon,
    /// An earlier one.
    EarlierDaemon,
}
