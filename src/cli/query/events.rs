//! `events`: what happens, as it happens.

use std::str::FromStr;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::{term, units};
use crate::command::list::filter::Moment;
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

    /// Begin with what came after the event with this number (its `sequence`), or at this time: 2026-11-27T10:00:00Z, or how
    /// long ago (30min, 2h)
    #[arg(long, value_name = "NUMBER|TIME")]
    since: Option<Since>,
    /// End with what has happened by now
    #[arg(long)]
    no_stream: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum Since {
    Number(u64),
    /// In milliseconds since 1970.
    Time(u64),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Number(number));
        }
        let moment: Moment = text.parse().map_err(|why| format!("an event's number, or a time: {why}"))?;
        Ok(Self::Time(moment.milliseconds()))
    }
}

impl Since {
    /// For the API.
    fn params(self) -> Value {
        match self {
            Self::Number(number) => json!({"since": number}),
            Self::Time(time) => json!({"sinceTime": time}),
        }
    }
}

impl Events {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        if !self.no_stream {
            // First, so that nothing is missed in between.
            EVENTS.iter().try_for_each(|event| client.subscribe(event))?;
        }
        let seen = match self.since {
            None if !self.no_stream => self.of_earlier_daemon(&mut client)?,
            since => self.past(&mut client, since.map_or_else(|| json!({}), Since::params))?,
        };
        if self.no_stream {
            return Ok(());
        }
        loop {
            let (event, params) = client.next_event()?;
            let number = params["sequence"].as_u64();
            if number.is_some() && number <= seen {
                continue;
            }
            let mut entry = json!({"event": event, "params": params, "time": units::now()});
            if event == "onContainerStopped" {
                add_exit(&mut client, &mut entry);
            }
            self.print(&entry)?;
        }
    }

    /// Prints what comes at once, of containers of an earlier daemon. It comes kind by kind, as was subscribed to: its order and
    /// its times are in the journal.
    fn of_earlier_daemon(&self, client: &mut Client) -> Result<Option<u64>> {
        // With the answer to another call, all of it is there.
        client.call("getDaemonInfo", json!({}))?;
        match client.first_number() {
            Some(first) => self.past(client, json!({"since": first.saturating_sub(1)})),
            None => Ok(None),
        }
    }

    /// Prints what happened, and gives the number of the last event.
    fn past(&self, client: &mut Client, mut params: Value) -> Result<Option<u64>> {
        let mut seen = params["since"].as_u64();
        loop {
            let past = client.call("listEvents", params.clone())?;
            let events = past["events"].as_array().map_or(&[][..], Vec::as_slice);
            if past["lost"] == true {
                // Numbers that were not given out yet, or another box's.
                seen = None;
                let first = &events.first().unwrap_or(&Value::Null)["params"]["sequence"];
                self.print(
                    &json!({"event": "onEventsLost", "params": {"since": params["since"], "first": first}}),
                )?;
            }
            for entry in events {
                self.print(entry)?;
                seen = entry["params"]["sequence"].as_u64().or(seen);
            }
            if past["more"] != true {
                return Ok(seen);
            }
            params = json!({"since": seen});
        }
    }

    fn print(&self, entry: &Value) -> Result<()> {
        if self.common.json { term::json(entry) } else { term::line(&describe(entry)) }
    }
}

/// Says how a container ended whose end was just announced: the event itself does not.
fn add_exit(client: &mut Client, entry: &mut Value) {
    let Some(number) = entry["params"]["sequence"].as_u64() else { return };
    // A disk that is full keeps no events; this one has come all the same.
    let past = client.call("listEvents", json!({"since": number.saturating_sub(1)})).unwrap_or_default();
    let kept = past["events"].as_array().into_iter().flatten();
    if let Some(kept) = kept.into_iter().find(|kept| kept["params"]["sequence"] == number) {
        for name in ["exitCode", "signal", "time"] {
            entry[name] = kept[name].clone();
        }
    }
}

/// An event in one line: when it was, its name, the container, how that ended, and all other members; of a crash record,
/// what crashed.
fn describe(entry: &Value) -> String {
    let (event, params) = (entry["event"].as_str().unwrap_or_default(), &entry["params"]);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words: Vec<String> = entry["time"].as_u64().and_then(units::moment).into_iter().collect();
    words.push(event.to_owned());
    words.extend(params["name"].as_str().map(str::to_owned));
    for name in ["exitCode", "signal"] {
        words.extend(entry[name].as_i64().map(|value| format!("{name}={value}")));
    }
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
        let line = describe(&json!({"event": "onMinidump", "params": params, "time": 1}));
        let expected = "onMinidump c size=5 program=app signal=SIGSEGV place=libx.so+0x10";
        assert_eq!(line, format!("1970-01-01T00:00:00.001Z {expected}"));
        let params = json!({"name": "c", "record": {"module": "x", "program": 3}, "containerId": "c"});
        assert_eq!(describe(&json!({"event": "onMinidump", "params": params})), "onMinidump c place=x");
    }

    #[test]
    fn an_end_is_shown_with_how_it_came() {
        let params = json!({"descriptor": "9", "name": "c", "containerId": "c", "sequence": 5});
        for (code, signal, expected) in [
            (json!(3), Value::Null, "exitCode=3 "),
            (Value::Null, json!(9), "signal=9 "),
            (Value::Null, Value::Null, ""),
        ] {
            let entry =
                json!({"event": "onContainerStopped", "params": params, "exitCode": code, "signal": signal});
            assert_eq!(describe(&entry), format!("onContainerStopped c {expected}descriptor=9 sequence=5"));
        }
    }
}
