//! `top`: the processes of a container.

use clap::Args;
use serde_json::Value;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// The most characters of a command line that are shown.
const MAX_COMMAND: usize = 120;

/// Print the processes of a container
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Id or descriptor
    id: String,
    #[command(flatten)]
    common: Common,
}

impl Top {
    pub(crate) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("getContainerInfo", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        let row = |process: &Value| {
            let text = |name: &str| process[name].as_str().unwrap_or_default();
            let command = if text("cmdline").is_empty() { text("executable") } else { text("cmdline") };
            vec![
                process["pid"].to_string(),
                process["nsPid"].to_string(),
                command.chars().take(MAX_COMMAND).collect(),
            ]
        };
        let rows: Vec<_> = result["info"]["processes"].as_array().into_iter().flatten().map(row).collect();
        term::table(&["PID", "PID INSIDE", "COMMAND"], &rows)
    }
}
