//! `version`: of this program, and of the daemon.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Print the versions of this program and of the daemon
#[derive(Debug, Args)]
pub(crate) struct Version {
    #[command(flatten)]
    common: Common,
}

impl Version {
    pub(crate) fn run(&self) -> Result<()> {
        let ours = env!("CARGO_PKG_VERSION");
        if !self.common.json {
            // It is known without a daemon, too.
            term::line(&format!("client  {ours}"))?;
        }
        let daemon = self.common.connect()?.call("getDaemonInfo", Value::Null)?;
        if self.common.json {
            return term::json(&json!({"client": ours, "daemon": daemon["version"]}));
        }
        term::line(&format!("daemon  {}", daemon["version"].as_str().unwrap_or_default()))
    }
}
