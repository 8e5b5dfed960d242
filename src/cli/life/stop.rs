//! `stop`: stops containers.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::error::Result;

/// Stop containers: SIGTERM, then SIGKILL after the stop timeout
#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    ids: Ids,
    /// Send SIGKILL immediately
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

impl Stop {
    pub(crate) fn run(&self) -> Result<()> {
        self.ids.each(&self.common, "stopping", |client, id| {
            client.call("stopContainer", json!({"containerId": id, "force": self.force}))
        })
    }
}
