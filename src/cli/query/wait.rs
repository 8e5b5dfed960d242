//! `wait`: waits until a container is gone, or runs.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Wait until a container is gone and print its exit status, or until it runs
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Id or descriptor
    id: String,
    /// Wait for its end or its start; for a start it need not be there yet
    #[arg(value_parser = ["stopped", "started"], default_value = "stopped", hide_possible_values = true)]
    #[arg(value_name = "stopped|started")]
    state: String,
    /// Timeout in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    timeout: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Wait {
    pub(crate) fn run(&self) -> Result<()> {
        let timeout = self.timeout.map(|seconds| seconds * 1000);
        let params = json!({"containerId": self.id, "timeout": timeout, "state": self.state});
        let result = self.common.connect()?.call("waitContainer", params)?;
        if self.common.json {
            return term::json(&result);
        }
        if let Some(descriptor) = result["descriptor"].as_i64() {
            return term::line(&format!("started, descriptor {descriptor}"));
        }
        match (result["exitCode"].as_i64(), result["signal"].as_i64()) {
            (Some(code), _) => term::line(&format!("exit code {code}")),
            (_, Some(signal)) => term::line(&format!("signal {signal}")),
            _ => term::line("unknown exit status"),
        }
    }
}
