//! `restart`: stops containers and starts them again.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::cli::life::stop::Patience;
use crate::cli::waiting::waiting;
use crate::error::{ErrorKind, Result};

/// Stop containers and start them again as they were
#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    ids: Ids,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    common: Common,
}

impl Restart {
    pub(crate) fn run(&self) -> Result<()> {
        self.ids.each(&self.common, "restarted", |client, id| {
            let _waiting = waiting(&self.common, id);
            let params = json!({"containerId": id, "timeout": self.patience.milliseconds()});
            client.call("restartContainer", params).map_err(|error| match error.kind() {
                ErrorKind::Unreachable => {
                    error.advise("a restart that was begun goes on when the daemon is there again; see ps -a")
                }
                _ => error,
            })
        })
    }
}
