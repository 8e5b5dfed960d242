//! What can be said of a container in one word, and how it ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt;

use serde::{Deserialize, Serialize};

use crate::control::model::id::ContainerId;

/// The state of a container, by Thunder's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The runtime is at work; the container's program may not run yet.
    Starting,
    /// The container's program runs.
    Running,
    /// It was asked to stop, or it ended and is being cleaned up.
    Stopping,
    /// All its processes are frozen.
    Paused,
    /// memcr writes the memory of its processes out.
    Hibernating,
    /// The memory of its processes is written out, and they stand still.
    Hibernated,
    /// memcr reads the memory of its processes back.
    Awakening,
    /// It ended, but the runtime could not delete it; `delete` tries again.
    Stopped,
    /// Nothing is known.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Paused,
        Self::Hibernating,
        Self::Hibernated,
        Self::Awakening,
        Self::Stopped,
        Self::Unknown,
    ];

    /// The name Thunder gives it: `Running`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Paused => "Paused",
            Self::Hibernating => "Hibernating",
            Self::Hibernated => "Hibernated",
            Self::Awakening => "Awakening",
            Self::Stopped => "Stopped",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Unknown: neither this daemon nor the kernel nor the monitor has it.
    Unknown,
}

impl ExitStatus {
    /// From a wait status, wait(2).
    pub(crate) fn of_wait(status: i32) -> Self {
        let status = std::process::ExitStatus::from_raw(status);
        let code = status.code().map(Self::Code);
        code.or_else(|| status.signal().map(Self::Signal)).unwrap_or(Self::Unknown)
    }

    /// The code a shell would give: the exit code, 128 + signal, or `None` when it is unknown.
    #[must_use]
    pub fn shell_code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(signal) => Some(128 + signal),
            Self::Unknown => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("unknown exit status"),
        }
    }
}

/// One line of [`Manager::list`](crate::control::manager::Manager::list).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The number Dobby's clients know it by: 1 to 1023.
    pub descriptor: i32,
    /// Its id.
    pub id: ContainerId,
}

/// Whether the daemon can do all it should.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Why not, one sentence each; empty when all is well.
    pub degraded: Vec<String>,
}
