//! `wait`: waits until containers are gone, or run.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::common::Common;
use crate::cli::ids::Failures;
use crate::cli::term;
use crate::error::Result;

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
        let mut failures = Failures::default();
        for id in ids {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| u64::try_from(left.as_millis()).ok());
            let params = json!({"containerId": id, "timeout": timeout, "state": state});
            let name = if ids.len() > 1 { format!("{id}: ") } else { String::new() };
            let ended = client.call("waitContainer", params);
            failures.note(ended.and_then(|result| self.print(&name, &result)));
        }
        failures.end()
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

    fn print(&self, name: &str, result: &Value) -> Result<()> {
        if self.common.json {
            return term::json(result);
        }
        if let Some(descriptor) = result["descriptor"].as_i64() {
            return term::line(&format!("{name}started, descriptor {descriptor}"));
        }
        match (result["exitCode"].as_i64(), result["signal"].as_i64()) {
            (Some(code), _) => term::line(&format!("{name}exit code {code}")),
            (_, Some(signal)) => term::line(&format!("{name}signal {signal}")),
            _ => term::line(&format!("{name}unknown exit status")),
        }
    }
}
