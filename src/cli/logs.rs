//! `logs`: a container's output.

use clap::Args;
use serde_json::json;

use super::exec::decode;
use super::{Common, term};
use crate::error::Result;

/// Print the end of a container's output
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Id or descriptor; of one that has ended, its id
    id: String,
    /// At most so many bytes, up to 262144
    #[arg(long, default_value_t = 65_536)]
    bytes: u64,
    /// Print control characters as they are, also on a terminal
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: Common,
}

impl Logs {
    pub(super) fn run(&self) -> Result<()> {
        let encoding = if self.common.json { "text" } else { "base64" };
        let params = json!({"containerId": self.id, "bytes": self.bytes, "encoding": encoding});
        let result = self.common.connect()?.call("getContainerLogs", params)?;
        if self.common.json {
            return term::line(&result.to_string());
        }
        term::output(&decode(&result["log"])?, self.raw)
    }
}
