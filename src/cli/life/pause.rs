//! `pause`: freezes running containers.

use clap::Args;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::error::Result;

/// Freeze running containers
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    ids: Ids,
    #[command(flatten)]
    common: Common,
}

impl Pause {
    pub(crate) fn run(&self) -> Result<()> {
        self.ids.each(&self.common, "paused", |client, id| client.about("pauseContainer", id))
    }
}
