//! `info`: what a container uses, or what the daemon is.

use clap::Args;
use serde_json::Value;

use crate::cli::common::Common;
use crate::cli::{term, units};
use crate::error::Result;

/// Print what a container uses, or what the daemon is
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// Id or descriptor; without one, the daemon
    id: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Info {
    pub(crate) fn run(&self) -> Result<()> {
        let Some(id) = &self.id else { return self.daemon() };
        let result = self.common.connect()?.about("getContainerInfo", id)?;
        if self.common.json {
            return term::json(&result);
        }
        let info = &result["info"];
        let memory = &info["memory"]["user"];
        let pids = info["pids"].as_array().into_iter().flatten();
        let mut rows = vec![
            ("id", info["id"].as_str().unwrap_or_default().to_owned()),
            ("state", info["state"].as_str().unwrap_or_default().to_owned()),
            ("processes", pids.map(Value::to_string).collect::<Vec<_>>().join(" ")),
            ("cpu time", nanoseconds(&info["cpu"]["usage"]["total"])),
            ("memory", number(&memory["usage"])),
            ("memory peak", number(&memory["max"])),
            ("memory limit", number(&memory["limit"])),
            ("limit reached", number(&memory["failcnt"])),
        ];
        let annotations = info["annotations"].as_object().into_iter().flatten();
        let shown = |(key, value): (&String, &Value)| {
            ("annotation", format!("{key}={}", value.as_str().unwrap_or_default()))
        };
        rows.extend(annotations.map(shown));
        print(&rows)
    }

    /// What the daemon is.
    fn daemon(&self) -> Result<()> {
        let result = self.common.connect()?.call("getDaemonInfo", Value::Null)?;
        if self.common.json {
            return term::json(&result);
        }
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let seconds = |name: &str| format!("{} s", result[name]);
        let mut rows = vec![
            ("version", text("version")),
            ("containers", result["containers"].to_string()),
            ("runtime", text("runtime")),
            ("state", text("stateDir")),
            ("logs", text("logDir")),
            ("log limit", result["logLimit"].as_u64().map_or_else(|| "-".to_owned(), units::size)),
            ("stop", seconds("stopTimeout")),
            ("runtime call", seconds("runtimeTimeout")),
        ];
        let degraded = result["degraded"].as_array().into_iter().flatten().filter_map(Value::as_str);
        rows.extend(degraded.map(|why| ("degraded", why.to_owned())));
        print(&rows)
    }
}

fn print(rows: &[(&str, String)]) -> Result<()> {
    rows.iter().try_for_each(|(name, value)| term::line(&format!("{name:14}{value}")))
}

/// A number, or a dash where the kernel has none.
fn number(value: &Value) -> String {
    if value.is_null() { "-".to_owned() } else { value.to_string() }
}

fn nanoseconds(value: &Value) -> String {
    value
        .as_u64()
        .map_or("-".to_owned(), |time| format!("{}.{:03} s", time / 1_000_000_000, time / 1_000_000 % 1000))
}
