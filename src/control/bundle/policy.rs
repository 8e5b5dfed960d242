//! What a container's configuration asks of the daemon, besides what the runtime does.

use std::path::PathBuf;

use serde_json::Value;

use crate::control::bundle::hook;
use crate::control::model::id::ContainerId;
use crate::control::output::sink::Sink;
use crate::dobby::Runtime;

/// What is asked, read once when a container starts or is adopted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Where its minidumps go.
    pub(crate) dump_dirs: Vec<PathBuf>,
    /// Where its output goes.
    pub(crate) sink: Sink,
    /// How often it was started again after crashes; `None` when that is not wanted.
    pub(crate) restarts: Option<u32>,
}

impl Wanted {
    /// What a container asks for by its configuration, of which `runtime` is a part.
    pub(crate) fn new(runtime: &Runtime, config: &Value, id: &ContainerId) -> Self {
        Self {
            dump_dirs: hook::destinations(config, id.as_str()),
            sink: Sink::of(&runtime.output),
            restarts: runtime.restart_on_crash.then_some(0),
        }
    }

    /// What the configuration asks for that a container has which an earlier daemon started. What is malformed in
    /// `rdkPlugins` counts as not asked for, with a warning; a start would have refused it.
    pub(crate) fn of(config: &Value, id: &ContainerId) -> Self {
        let dump_dirs = hook::destinations(config, id.as_str());
        match Runtime::of_config(config) {
            Ok(runtime) => Self::new(&runtime, config, id),
            Err(error) => {
                log::warn!("container {id}: {}", error.report());
                Self { dump_dirs, ..Self::default() }
            }
        }
    }
}
