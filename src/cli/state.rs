//! `state`: the state of a container in one word.

use clap::Args;

use super::{Common, term};
use crate::error::Result;

/// Print the state of a container
#[derive(Debug, Args)]
pub(super) struct State {
    /// Id or descriptor
    id: String,
    #[command(flatten)]
    common: Common,
}

impl State {
    pub(super) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("getContainerState", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(result["state"].as_str().unwrap_or_default())
    }
}
