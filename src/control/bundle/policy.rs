//! What a container's configuration asks of the daemon, besides what the runtime does.

use std::path::PathBuf;

use serde_json::Value;

use crate::control::bundle::hook;
use crate::control::model::id::ContainerId;
use crate::control::output::sink::Sink;
use crate::dobby::runtime::RuntimeExtras;

/// What is asked, read once when a container starts or is recovered.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Where its minidumps go, sorted.
    pub(crate) dump_dirs: Vec<PathBuf>,
    /// Where its output goes.
    pub(crate) sink: Sink,
    /// How many times it was restarted after crashes; `None` when it is not to be restarted.
    pub(crate) restarts: Option<u32>,
}

impl Policy {
    /// The policy of a container whose configuration is not known yet, or asks for nothing.
    pub(crate) const UNKNOWN: Self = Self { dump_dirs: Vec::new(), sink: Sink::Log, restarts: None };

    /// The policy of a container that starts; `runtime` is a part of its configuration.
    pub(crate) fn new(runtime: &RuntimeExtras, config: &Value, id: &ContainerId) -> Self {
        Self {
            dump_dirs: hook::destinations(config, id.as_str()),
            sink: Sink::of(&runtime.output),
            restarts: runtime.restart_on_crash.then_some(0),
        }
    }

    /// The policy of a container that an earlier daemon started. What is malformed in `rdkPlugins` counts as absent,
    /// with a warning; a start would have refused it.
    pub(crate) fn of_recovered(config: &Value, id: &ContainerId) -> Self {
        match RuntimeExtras::of_config(config) {
            Ok(runtime) => Self::new(&runtime, config, id),
            Err(error) => {
                log::warn!("container {id}: {}", error.report());
                Self { dump_dirs: hook::destinations(config, id.as_str()), ..Self::UNKNOWN }
            }
        }
    }
}
