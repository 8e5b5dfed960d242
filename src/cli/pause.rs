//! `pause`: freezes a running container.

use clap::Args;

use super::{Common, term};
use crate::error::Result;

/// Freeze a running container
#[derive(Debug, Args)]
pub(super) struct Pause {
    /// Id or descriptor
    id: String,

    #[command(flatten)]
    common: Common,
}

impl Pause {
    pub(super) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("pauseContainer", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("paused {}", self.id))
    }
}
