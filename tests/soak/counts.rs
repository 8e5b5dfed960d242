//! What was done, how often, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// What may be answered to a client that others interfere with; everything else is a failure of the daemon.
const FAIR: [&str; 13] = [
    "there is no container",
    "cannot pause container #: it is",
    "cannot resume container #: it is",
    "cannot run a command in container #: it is",
    "container # is Starting",
    "container # is Running",
    "container # is Paused",
    "container # has not ended in time",
    "container # has no log",
    "container # did not start",
    // It ended, or was frozen, just when the runtime was at it.
    "failed with exit code 1: the container `#` is not running",
    "crun exec # failed with exit code",
    "the container was paused meanwhile",
];

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    done: Mutex<BTreeMap<(&'static str, String), u64>>,
}

impl Counts {
    /// Something came of an action: "done", "the daemon went", or the reason of a failure.
    pub(crate) fn add(&self, action: &'static str, outcome: &str) {
        *self.done.lock().unwrap().entry((action, outcome.to_owned())).or_default() += 1;
    }

    /// A failure that the daemon told of; `id` is left out of its reason.
    pub(crate) fn refused(&self, action: &'static str, id: &str, error: &serde_json::Value) {
        let reason = error["data"].as_str().or(error["message"].as_str()).unwrap_or("no reason");
        self.add(action, &reason.replace(&format!("{id:?}"), "#").replace(id, "#"));
    }

    /// Something was done, and no failure was the daemon's.
    pub(crate) fn check(&self) {
        let done = self.done.lock().unwrap();
        let unfair: Vec<_> = done
            .keys()
            .filter(|(_, outcome)| outcome.contains(' ') && outcome != "the daemon went")
            .filter(|(_, outcome)| !FAIR.iter().any(|fair| outcome.contains(fair)))
            .collect();
        assert!(unfair.is_empty(), "unexpected failures: {unfair:#?}");
        assert!(done.contains_key(&("start", "done".to_owned())), "nothing was started");
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.done.lock().unwrap();
        writeln!(f, "{} actions", done.values().sum::<u64>())?;
        done.iter().try_for_each(|((action, outcome), count)| writeln!(f, "{count:7} {action}: {outcome}"))
    }
}
