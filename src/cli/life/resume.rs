//! `resume`: thaws a paused container.

use clap::Args;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Thaw a paused container
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Id or descriptor
    id: String,

    #[command(flatten)]
    common: Common,
}

impl Resume {
    pub(crate) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("resumeContainer", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("resumed {}", self.id))
    }
}
