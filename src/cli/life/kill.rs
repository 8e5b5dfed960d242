//! `kill`: sends signals to containers.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::control::Signal;
use crate::error::Result;

/// Send a signal to the first process of containers
#[derive(Debug, Args)]
pub(crate) struct Kill {
    #[command(flatten)]
    ids: Ids,
    /// Name, with or without SIG, or number of the signal; real-time ones are RTMIN+N or RTMAX-N. KILL ends a container for good, as stop --force does
    #[arg(short, long, default_value = "KILL")]
    signal: Signal,
    #[command(flatten)]
    common: Common,
}

impl Kill {
    pub(crate) fn run(&self) -> Result<()> {
        let signal = self.signal.to_string();
        self.ids.each(&self.common, &format!("sent {signal} to"), |client, id| {
            client.call("signalContainer", json!({"containerId": id, "signal": signal}))
        })
    }
}
