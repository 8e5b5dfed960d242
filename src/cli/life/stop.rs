//! `stop`: stops containers.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::error::Result;

/// How long a container may take to end by itself.
#[derive(Debug, Args)]
pub(crate) struct Patience {
    /// Time from SIGTERM to SIGKILL in seconds [default: the daemon's stop timeout]
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    time: Option<u64>,
}

impl Patience {
    /// For the API.
    pub(crate) fn milliseconds(&self) -> Option<u64> {
        self.time.map(|seconds| seconds * 1000)
    }
}

/// Stop containers: SIGTERM, then SIGKILL after the stop timeout
#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    ids: Ids,
    /// Send SIGKILL immediately
    #[arg(short, long, conflicts_with = "time")]
    force: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    common: Common,
}

impl Stop {
    pub(crate) fn run(&self) -> Result<()> {
        self.ids.each(&self.common, "stopping", |client, id| {
            let timeout = self.patience.milliseconds();
            client.call("stopContainer", json!({"containerId": id, "force": self.force, "timeout": timeout}))
        })
    }
}
