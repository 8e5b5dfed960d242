//! `wait`: waits until containers are gone, or run.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::{Error, Result};

/// Wait until containers are gone and print their exit status, or until they run
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Ids or descriptors, and behind them perhaps what is waited for: the last end (stopped, the default) or the start (started);
    /// for a start they need not be there yet
    #[arg(required = true, value_name = "ID")]
    words: Vec<String>,
    /// Timeout in seconds, for all of them together
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    timeout: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Wait {
    pub(crate) fn run(&self) -> Result<()> {
        let (ids, state) = self.ids_and_state();
        let mut client = self.common.connect()?;
        let deadline = self.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut failed: Option<Error> = None;
        for id in ids {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| u64::try_from(left.as_millis()).ok());
            let params = json!({"containerId": id, "timeout": timeout, "state": state});
            // One that fails keeps no other from it.
            if let Err(error) = client.call("waitContainer", params).and_then(|result| self.print(&result))
                && let Some(before) = failed.replace(error)
            {
                log::error!("{}", before.report());
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The last word says what is waited for, if it is not the only one.
    fn ids_and_state(&self) -> (&[String], &str) {
        match self.words.split_last() {
            Some((last, ids)) if !ids.is_empty() && ["stopped", "started"].contains(&last.as_str()) => {
                (ids, last)
            }
            _ => (&self.words, "stopped"),
        }
    }

    fn print(&self, result: &Value) -> Result<()> {
        if self.common.json {
            return term::json(result);
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
