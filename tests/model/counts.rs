//! What was done, how often, and how long it took.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use crate::operations::Operation;

/// Every kind of operation; a run of some length that lacks one tests less than it seems.
const KINDS: [&str; 17] = [
    "Start",
    "Delete",
    "Poststop",
    "Sweep",
    "Killed",
    "Meeting",
    "Write",
    "Begin",
    "Complete",
    "Abandon",
    "End",
    "Pin",
    "Unpin",
    "Configure",
    "Obstruct",
    "Clear",
    "LoseRecords",
];
/// How many operations are enough for each kind to come.
const ENOUGH: u32 = 1000;

/// How often each kind was done, and for how long.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, (u32, Duration)>>);

impl Counts {
    pub(crate) fn add(&self, operation: &Operation, time: Duration) {
        let mut done = self.0.lock().unwrap();
        let (count, total) = done.entry(operation.kind()).or_default();
        *count += 1;
        *total += time;
    }

    /// How many operations were done.
    pub(crate) fn total(&self) -> u32 {
        self.0.lock().unwrap().values().map(|(count, _)| count).sum()
    }

    /// Every kind was done.
    pub(crate) fn check(&self) {
        let total = self.total();
        let done = self.0.lock().unwrap();
        let missing: Vec<_> =
            KINDS.iter().filter(|kind| !done.keys().any(|done| done.starts_with(**kind))).collect();
        assert!(missing.is_empty() || total < ENOUGH, "never done: {missing:?}");
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} operations, and how long one takes:", self.total())?;
        let done = self.0.lock().unwrap();
        done.iter().try_for_each(|(kind, (count, total))| {
            writeln!(f, "{count:7} {kind:16} {:6} ms", (*total / *count).as_millis())
        })
    }
}
