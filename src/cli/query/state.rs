//! `state`: the state of a container in one word.

use clap::Args;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Print the state of a container
#[derive(Debug, Args)]
pub(crate) struct StateVerb {
    /// Id or descriptor
    id: String,
    #[command(flatten)]
    common: Common,
}

impl StateVerb {
    pub(crate) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("getContainerState", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(result["state"].as_str().unwrap_or_default())
    }
}
