//! `resume`: thaws paused containers.

use clap::Args;

use crate::cli::common::Common;
use crate::cli::ids::Ids;
use crate::error::Result;

/// Thaw paused containers
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    ids: Ids,
    #[command(flatten)]
    common: Common,
}

impl Resume {
    pub(crate) fn run(&self) -> Result<()> {
        self.ids.each(&self.common, "resumed", |client, id| client.about("resumeContainer", id))
    }
}
