//! What a container's configuration asks of the daemon, besides what the runtime does.

use std::path::PathBuf;

use serde_json::Value;

use super::sink::Sink;
use super::{ContainerId, minidump, nat};
use crate::dobby::Runtime;

/// What is asked, read once when a container starts or is adopted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Where its minidumps go.
    pub(super) dump_dirs: Vec<PathBuf>,
    /// Where its output goes.
    pub(super) sink: Sink,
    /// Its wish for network `nat`.
    pub(super) nat: Option<nat::Wish>,
    /// How often it was started again after crashes; `None` when that is not wanted.
    pub(super) restarts: Option<u32>,
}

impl Wanted {
    /// What the configuration of the container `id` asks for. What is malformed in `rdkPlugins` counts as not asked
    /// for, with a warning; in a converted spec nothing is.
    pub(super) fn of(config: &Value, id: &ContainerId) -> Self {
        let dump_dirs = minidump::destinations(config, id.as_str());
        match Runtime::of_config(config) {
            Ok(runtime) => {
                let (sink, nat) = (Sink::of(&runtime.output), nat::Wish::of(&runtime));
                Self { dump_dirs, sink, nat, restarts: None }
            }
            Err(error) => {
                log::warn!("container {id}: {}", error.report());
                Self { dump_dirs, ..Self::default() }
            }
        }
    }
}
