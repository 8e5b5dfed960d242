//! What a container's configuration asks of the daemon, besides what the runtime does.

use std::path::PathBuf;

use serde_json::Value;

use crate::control::bundle::hook;
use crate::control::model::id::ContainerId;
use crate::control::model::request::Stdin;
use crate::control::output::sink::Sink;
use crate::dobby::runtime::RuntimeExtras;

/// What is asked, read once when a container starts or is recovered.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Where its minidumps go, sorted.
    pub(crate) dump_dirs: Vec<PathBuf>,
    /// Where its output goes.
    pub(crate) sink: Sink,
    /// What it has as its standard input.
    pub(crate) stdin: Stdin,
    /// How many times it was restarted after crashes; `None` when it is not to be restarted.
    pub(crate) restarts: Option<u32>,
}

impl Policy {
    /// The policy of a container whose configuration is not known yet, or asks for nothing.
    pub(crate) const UNKNOWN: Self =
        Self { dump_dirs: Vec::new(), sink: Sink::Log, stdin: Stdin::Null, restarts: None };

    /// The policy of a container that starts; `runtime` is a part of its configuration. Whether it is `interactive` stands
    /// elsewhere.
    pub(crate) fn new(runtime: &RuntimeExtras, config: &Value, id: &ContainerId, interactive: bool) -> Self {
        let stdin = match (config["process"]["terminal"] == true, interactive) {
            (true, _) => Stdin::Terminal,
            (false, true) => Stdin::Pipe,
            (false, false) => Stdin::Null,
        };
        // What a terminal shows is looked at, and it comes from the log.
        let is_hidden = |sink: &Sink| stdin == Stdin::Terminal && sink.is_write_only();
        Self {
            dump_dirs: hook::destinations(config, id.as_str()),
            sink: Some(Sink::of(&runtime.output)).filter(|sink| !is_hidden(sink)).unwrap_or_default(),
            stdin,
            restarts: runtime.restart_on_crash.then_some(0),
        }
    }

    /// The policy of a container that an earlier daemon started. What is malformed in `rdkPlugins` counts as absent,
    /// with a warning; a start would have refused it.
    pub(crate) fn of_recovered(config: &Value, id: &ContainerId, interactive: bool) -> Self {
        match RuntimeExtras::of_config(config) {
            Ok(runtime) => Self::new(&runtime, config, id, interactive),
            Err(error) => {
                log::warn!("container {id}: {}", error.report());
                Self { dump_dirs: hook::destinations(config, id.as_str()), ..Self::UNKNOWN }
            }
        }
    }
}
