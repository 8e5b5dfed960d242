//! `unmount`: take out again what mount put into a container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Take out again what mount put into a container
#[derive(Debug, Args)]
pub(crate) struct Unmount {
    /// Id or descriptor
    id: String,
    /// Path in the container
    target: String,
    #[command(flatten)]
    common: Common,
}

impl Unmount {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id, "target": self.target});
        let result = self.common.connect()?.call("unmount", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("unmounted {} in {}", self.target, self.id))
    }
}
