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
}

impl Events {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        for event in EVENTS {
            client.subscribe(event)?;
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

/// An event in one line: its name, the container, and all other members.
fn describe(event: &str, params: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words = vec![event.to_owned(), text(&params["name"])];
    for (name, value) in
        params.as_object().into_iter().flatten().filter(|(name, _)| *name != "name" && *name != "containerId")
    {
        words.push(format!("{name}={}", text(value)));
    }
    words.join(" ")
}
