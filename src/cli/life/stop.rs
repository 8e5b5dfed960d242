//! `stop`: stops a container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Stop a container: SIGTERM, then SIGKILL after the stop timeout
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Id or descriptor
    id: String,
    /// Send SIGKILL immediately
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

impl Stop {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id, "force": self.force});
        let result = self.common.connect()?.call("stopContainer", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("stopping {}", self.id))
    }
}
