//! `wakeup`: wake up a hibernated container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Wake up a hibernated container
#[derive(Debug, Args)]
pub(crate) struct Wakeup {
    /// Id or descriptor
    id: String,
    #[command(flatten)]
    common: Common,
}

impl Wakeup {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id});
        let result = self.common.connect()?.call("wakeupContainer", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("woke up {}", self.id))
    }
}
