//! A client that only listens, and knows of each container whether it runs: by the events, and when the daemon went,
//! by the list that the next one gives.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Gone};
use crate::place::Place;

/// Ends first: a start that is heard must have an end that is heard.
const EVENTS: [&str; 4] = ["onContainerStopped", "onContainerFailed", "onMinidump", "onContainerStarted"];
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is believed of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// It does not run.
    Idle,
    /// It runs: its start was told.
    Runs,
    /// It is not known what happened while no daemon was there, but whether an end of it should be heard yet.
    Unclear { runs: bool },
}

impl Belief {
    /// Whether an end of it should be heard yet.
    fn runs(self) -> bool {
        matches!(self, Self::Runs | Self::Unclear { runs: true })
    }
}

/// What was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    events: BTreeMap<String, u64>,
    /// How often the daemon went.
    lost: u64,
    /// How many ends nobody told of, since no daemon was there; the list told.
    missed: u64,
    /// What must not be.
    wrong: Vec<String>,
}

/// The client.
pub(crate) struct Listener<'a> {
    place: &'a Place,
    /// Set when every container has been deleted.
    quiet: &'a AtomicBool,
    beliefs: BTreeMap<String, Belief>,
    heard: Heard,
}

impl<'a> Listener<'a> {
    pub(crate) fn new(place: &'a Place, quiet: &'a AtomicBool) -> Self {
        let beliefs = place.ids.iter().map(|id| (id.clone(), Belief::Idle)).collect();
        Self { place, quiet, beliefs, heard: Heard::default() }
    }

    /// Listens until it is quiet and everything that was heard to start was heard to end.
    pub(crate) fn listen(mut self) -> Heard {
        while let Err(Gone) = self.until_it_goes() {
            self.heard.lost += 1;
        }
        let running: Vec<_> = self.beliefs.iter().filter(|(_, belief)| belief.runs()).collect();
        if !running.is_empty() {
            let logs = running.iter().map(|(id, _)| self.place.log_about(id)).collect::<String>();
            self.heard.wrong.push(format!("no end was told of {running:?}\n{logs}"));
        }
        self.heard
    }

    fn until_it_goes(&mut self) -> Result<(), Gone> {
        let mut client = Client::connect(self.place);
        self.beliefs.values_mut().for_each(|belief| *belief = Belief::Unclear { runs: belief.runs() });
        for event in EVENTS {
            let params = json!({"event": event, "id": "e"});
            let answer = client.call("register", &params, |event| self.hear(&event))?;
            assert_eq!(answer, Ok(json!(0)));
        }
        let answer = client.call("listContainers", &json!({}), |event| self.hear(&event))?;
        self.compare(&answer.expect("a list"), &mut client)?;
        let mut patience = None;
        loop {
            if let Some(event) = client.receive()? {
                self.hear(&event);
                continue;
            }
            let runs = self.beliefs.values().any(|belief| belief.runs());
            if self.quiet.load(Ordering::Acquire) {
                let since = *patience.get_or_insert_with(Instant::now);
                if !runs || since.elapsed() > PATIENCE {
                    return Ok(());
                }
            }
        }
    }

    /// A daemon that came back tells what there is.
    fn compare(&mut self, list: &Value, client: &mut Client) -> Result<(), Gone> {
        let list = list["containers"].as_array().expect("a list");
        for id in &self.place.ids {
            let listed = list.iter().any(|listed| listed["Id"] == id.as_str());
            match self.beliefs[id] {
                Belief::Unclear { runs: true } if !listed => {
                    self.heard.missed += 1;
                    self.beliefs.insert(id.clone(), Belief::Unclear { runs: false });
                }
                Belief::Unclear { runs: false } if listed => {
                    let about = json!({"containerId": id});
                    let state = client.call("getContainerState", &about, |event| self.hear(&event))?;
                    let runs =
                        state.is_ok_and(|state| state["state"] == "Running" || state["state"] == "Paused");
                    // Unless its end was heard before the answer.
                    if runs && self.beliefs[id] == (Belief::Unclear { runs: false }) {
                        self.beliefs.insert(id.clone(), Belief::Unclear { runs });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn hear(&mut self, event: &Value) {
        let name = event["method"].as_str().unwrap_or_default().trim_start_matches("e.").to_owned();
        let id = event["params"]["name"].as_str().expect("a name").to_owned();
        *self.heard.events.entry(name.clone()).or_default() += 1;
        let belief = self.beliefs.get_mut(&id).expect("one of ours");
        let before = *belief;
        match (name.as_str(), before) {
            ("onContainerStarted", Belief::Runs) | ("onContainerStopped", Belief::Idle) => {
                let log = self.place.log_about(&id);
                self.heard.wrong.push(format!("{event}, but before it was {before:?}\n{log}"));
            }
            ("onContainerFailed", _) => self.heard.wrong.push(event.to_string()),
            _ => {}
        }
        match name.as_str() {
            "onContainerStarted" => *belief = Belief::Runs,
            "onContainerStopped" => *belief = Belief::Idle,
            _ => {}
        }
    }
}

impl Heard {
    /// No event was lost, and none came that should not.
    pub(crate) fn check(&self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.events.contains_key("onContainerStarted"), "{self}");
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.events {
            writeln!(f, "{count:7} {name}")?;
        }
        writeln!(f, "{:7} times the daemon went, and {} ends while it was away", self.lost, self.missed)
    }
}
