//! What a later daemon must know of a container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::control::model::state::ExitStatus;
use crate::control::process::handle::ProcessIdentity;

/// The content of `record.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SavedState {
    /// Its descriptor.
    pub(crate) descriptor: i32,
    /// When it was started, in nanoseconds since the machine booted; gives the order of the list.
    pub(crate) started: u64,
    /// Its first process; `None` while the runtime starts it.
    pub(crate) init: Option<ProcessIdentity>,
    /// How many times it was restarted after crashes; `None` when it is not to be restarted.
    #[serde(default)]
    pub(crate) restarts: Option<u32>,
    /// Whether its start may not have been announced.
    #[serde(default, rename = "untold")]
    pub(crate) start_unannounced: bool,
    /// How it ended, once a daemon knows.
    #[serde(default)]
    pub(crate) exit: Option<ExitStatus>,
    /// Whether it takes the place of one that ended: a start that was cut short is begun again.
    #[serde(default)]
    pub(crate) promised: bool,
    /// Whether its standard input stays open for clients.
    #[serde(default)]
    pub(crate) interactive: bool,
    /// The bundle of root's that it was made of.
    #[serde(default)]
    pub(crate) bundle: Option<PathBuf>,
}
