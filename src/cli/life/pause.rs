//! `pause`: freezes a running container.

use clap::Args;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Freeze a running container
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// Id or descriptor
    id: String,

    #[command(flatten)]
    common: Common,
}

impl Pause {
    pub(crate) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("pauseContainer", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("paused {}", self.id))
    }
}
