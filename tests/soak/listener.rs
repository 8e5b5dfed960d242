//! A client that only listens, and knows of each container whether it runs. After the daemon went, the list that the
//! next one gives tells what started before it listened again; but every end of what it knew, and every dump, is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

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
    /// The dumps it told of.
    dumps: BTreeSet<PathBuf>,
    /// When a daemon was there, but this client not yet.
    deaf: Vec<(SystemTime, SystemTime)>,
    /// What must not be.
    wrong: Vec<String>,
}

/// The client.
pub(crate) struct Listener<'a> {
    place: &'a Place,
    /// Set when every container has been deleted.
    quiet: &'a AtomicBool,
    beliefs: BTreeMap<String, Belief>,
    /// Whether it hears everything; before, it may not have heard a start.
    listens: bool,
    heard: Heard,
}

impl<'a> Listener<'a> {
    pub(crate) fn new(place: &'a Place, quiet: &'a AtomicBool) -> Self {
        let beliefs = place.ids.iter().map(|id| (id.clone(), Belief::Idle)).collect();
        Self { place, quiet, beliefs, listens: false, heard: Heard::default() }
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
        self.listens = false;
        for event in EVENTS {
            let params = json!({"event": event, "id": "e"});
            let answer = client.call("register", &params, |event| self.hear(&event))?;
            assert_eq!(answer, Ok(json!(0)));
        }
        self.listens = true;
        self.heard.deaf.push((self.place.started(), SystemTime::now()));
        let answer = client.call("listContainers", &json!({}), |event| self.hear(&event))?;
        self.compare(&answer.expect("a list"), &mut client)?;
        let mut patience = None;
        loop {
            if let Some(event) = client.receive()? {
                self.hear(&event);
                continue;
            }
            if self.quiet.load(Ordering::Acquire) {
                let since = *patience.get_or_insert_with(Instant::now);
                let all = !self.beliefs.values().any(|belief| belief.runs())
                    && self.heard.missed(self.place).is_empty();
                if all || since.elapsed() > PATIENCE {
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
            let unclear = Belief::Unclear { runs: false };
            if !listed || self.beliefs[id] != unclear {
                continue;
            }
            let about = json!({"containerId": id});
            let state = client.call("getContainerState", &about, |event| self.hear(&event))?;
            let runs = state.is_ok_and(|state| state["state"] == "Running" || state["state"] == "Paused");
            // Unless something was heard of it before the answer.
            if self.beliefs[id] == unclear {
                self.beliefs.insert(id.clone(), Belief::Unclear { runs });
            }
        }
        Ok(())
    }

    fn hear(&mut self, event: &Value) {
        let name = event["method"].as_str().unwrap_or_default().trim_start_matches("e.").to_owned();
        let id = event["params"]["name"].as_str().expect("a name").to_owned();
        *self.heard.events.entry(name.clone()).or_default() += 1;
        let before = self.beliefs[&id];
        let (after, right) = match name.as_str() {
            // After a daemon was killed, the next one may tell what was heard already.
            "onContainerStarted" => (Belief::Runs, before != Belief::Runs),
            "onContainerStopped" if self.listens => (Belief::Idle, before != Belief::Idle),
            "onContainerStopped" => (Belief::Unclear { runs: false }, true),
            "onMinidump" => {
                self.heard.dumps.insert(event["params"]["path"].as_str().expect("a path").into());
                (before, true)
            }
            _ => (before, false),
        };
        if !right {
            let log = self.place.log_about(&id);
            self.heard.wrong.push(format!("{event}, but before it was {before:?}\n{log}"));
        }
        self.beliefs.insert(id, after);
    }
}

impl Heard {
    /// The dumps it was not told of. It cannot be, of what a new daemon harvested before this client was there, too.
    fn missed(&self, place: &Place) -> Vec<PathBuf> {
        let dumps = std::fs::read_dir(place.path("dumps")).into_iter().flatten().flatten();
        let missed = dumps.filter(|dump| {
            let time = dump.metadata().and_then(|dump| dump.modified()).expect("a time");
            let deaf = self.deaf.iter().any(|(begin, end)| (*begin..=*end).contains(&time));
            !deaf && !self.dumps.contains(&dump.path())
        });
        missed.map(|dump| dump.path()).collect()
    }

    /// No event was lost, and none came that should not.
    pub(crate) fn check(&self, place: &Place) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        let missed = self.missed(place);
        assert!(missed.is_empty(), "nobody told of {missed:?}");
        assert!(self.events.contains_key("onContainerStarted"), "{self}");
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.events {
            writeln!(f, "{count:7} {name}")?;
        }
        writeln!(f, "{:7} times the daemon went", self.lost)
    }
}
