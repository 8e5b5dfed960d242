//! A client that says which events it saw last whenever it comes back: it hears each event once, and of each container starts
//! and ends in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Gone};
use crate::place::Place;

const EVENTS: [&str; 3] = ["onContainerStarted", "onContainerStopped", "onContainerFailed"];
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was heard: of each kind the number of the last event, and of each event the container and whether it runs then.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    last: BTreeMap<String, u64>,
    events: BTreeMap<u64, (String, bool)>,
    wrong: Vec<String>,
}

/// Listens until it is quiet and everything that was heard to start was heard to end.
pub(crate) fn follow(place: &Place, quiet: &AtomicBool) -> Followed {
    let mut followed = Followed::default();
    while let Err(Gone) = followed.until_it_goes(place, quiet) {}
    followed
}

impl Followed {
    fn until_it_goes(&mut self, place: &Place, quiet: &AtomicBool) -> Result<(), Gone> {
        let mut client = Client::connect(place);
        for event in EVENTS {
            // It hears all from the beginning: a number that is not known gets everything.
            let since = self.last.get(event).copied().unwrap_or(0);
            let params = json!({"event": event, "id": "e", "since": since});
            let answer = client.call("register", &params, |event| self.hear(&event))?;
            assert_eq!(answer, Ok(json!(0)));
        }
        let mut patience = None;
        loop {
            if let Some(event) = client.receive()? {
                self.hear(&event);
            } else if quiet.load(Ordering::Acquire) {
                let since = *patience.get_or_insert_with(Instant::now);
                if self.running().is_empty() || since.elapsed() > PATIENCE {
                    return Ok(());
                }
            }
        }
    }

    fn hear(&mut self, event: &Value) {
        let kind = event["method"].as_str().unwrap_or_default().trim_start_matches("e.").to_owned();
        let params = &event["params"];
        if kind == "onEventsLost" {
            if params["since"] != 0 {
                self.wrong.push(event.to_string());
            }
            return;
        }
        let number = params["sequence"].as_u64().expect("a number");
        let id = params["name"].as_str().expect("a name").to_owned();
        let before = self.last.insert(kind.clone(), number);
        let again = self.events.insert(number, (id, kind == "onContainerStarted"));
        if before > Some(number) || again.is_some() {
            self.wrong.push(format!("{event} after {before:?}, {again:?}"));
        }
    }

    /// The containers whose last event was a start.
    fn running(&self) -> BTreeSet<&str> {
        let mut running = BTreeSet::new();
        for (id, runs) in self.events.values() {
            if *runs {
                running.insert(id.as_str())
            } else {
                running.remove(id.as_str())
            };
        }
        running
    }

    /// Each event came once, and of each container a start and an end in turn.
    pub(crate) fn check(&self, place: &Place) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        let mut running = BTreeSet::new();
        for (number, (id, runs)) in &self.events {
            let in_turn = if *runs { running.insert(id) } else { running.remove(id) };
            assert!(in_turn, "event {number} of {id} is out of turn\n{}", place.log_about(id));
        }
        assert!(running.is_empty() && !self.events.is_empty(), "no end came of {running:?}");
    }
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:7} events to a client that says what it saw", self.events.len())
    }
}
