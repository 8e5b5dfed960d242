//! `EthanLog`: RDK's logging library writes its records to the descriptor `$ETHAN_LOGGING_PIPE`.
//!
//! Dobby reads them from a pipe and sends them to the journal, so that they end with its daemon. Here the descriptor is
//! that of the container's output: a record lies in the log as the library wrote it, in order with what the program prints.

use serde_json::Value;

use crate::control::plugins::config_edit;
use crate::control::plugins::plugin::{Invocation, Passed, Plugin, PluginFuture};
use crate::error::Result;

pub(crate) struct EthanLog;

impl Plugin for EthanLog {
    fn name(&self) -> &'static str {
        "EthanLog"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        config_edit::set_env(config, &[format!("ETHAN_LOGGING_PIPE={}", call.descriptor)])
    }

    fn prepare<'a>(
        &'a self,
        _call: &'a Invocation<'a>,
        _config: &'a Value,
    ) -> PluginFuture<'a, Option<Passed>> {
        Box::pin(std::future::ready(Ok(Some(Passed::Output))))
    }
}
