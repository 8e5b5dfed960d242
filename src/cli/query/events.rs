//! `events`: what happens, as it happens.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Every event of the plugin.
const EVENTS: [&str; 6] = [
    "onContainerStarted",
    "onContainerStopped",
    "onContainerFailed",
    "onContainerStateChanged",
    "onMinidump",
    "onCrashLoop",
];

/// Print events as they happen, until interrupted
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    common: Common,

    /// Begin with what came after the event with this number (its `sequence`)
    #[arg(long, value_name = "NUMBER")]
    since: Option<u64>,
}

impl Events {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        for event in EVENTS {
            client.subscribe(event, self.since)?;
        }
        loop {
            let (event, params) = client.next_event()?;
            if self.common.json {
                term::json(&json!({"event": event, "params": params}))?;
            } else {
                term::line(&describe(&event, &params))?;
            }
        }
    }
}

/// An event in one line: its name, the container, and all other members; of a crash record, what crashed.
fn describe(event: &str, params: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = vec![event.to_owned(), text(&params["name"])];
    for (name, value) in
        params.as_object().into_iter().flatten().filter(|(name, _)| *name != "name" && *name != "containerId")
    {
        if name == "record" {
            words.extend(crash(value));
            continue;
        }
        words.push(format!("{name}={}", text(value)));
    }
    words.join(" ")
}

/// The words of a crash record: program, signal, and module with the offset.
fn crash(record: &Value) -> Vec<String> {
    let text = |name: &str| record[name].as_str();
    let place = text("module")
        .map(|module| text("offset").map_or(module.to_owned(), |offset| format!("{module}+{offset}")));
    let words = [
        ("program", text("program").map(str::to_owned)),
        ("signal", text("signal").map(str::to_owned)),
        ("place", place),
    ];
    words.into_iter().filter_map(|(name, text)| Some(format!("{name}={}", text?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_shown_by_what_crashed() {
        let record =
            json!({"program": "app", "signal": "SIGSEGV", "module": "libx.so", "offset": "0x10", "size": 5});
        let params = json!({"name": "c", "size": 5, "record": record, "containerId": "c"});
        let line = describe("onMinidump", &params);
        assert_eq!(line, "onMinidump c size=5 program=app signal=SIGSEGV place=libx.so+0x10");
        let params = json!({"name": "c", "record": {"module": "x", "program": 3}, "containerId": "c"});
        assert_eq!(describe("onMinidump", &params), "onMinidump c place=x");
    }
}
