//! `delete`: removes a container with all its state.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Remove a container with all its state
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Id or descriptor
    id: String,
    /// Stop it first if it runs
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

impl Delete {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id, "force": self.force});
        let result = self.common.connect()?.call("deleteContainer", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("deleted {}", self.id))
    }
}
