//! `delete`: removes containers with all their state.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::cli::waiting::waiting;
use crate::error::Result;

/// Remove containers with all their state
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    ids: Ids,
    /// Stop them first if they run
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

impl Delete {
    pub(crate) fn run(&self) -> Result<()> {
        self.ids.each(&self.common, "deleted", |client, id| {
            let _waiting = waiting(&self.common, id);
            client.call("deleteContainer", json!({"containerId": id, "force": self.force}))
        })
    }
}
