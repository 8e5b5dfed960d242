//! What the daemon found: ends and dumps of containers that an earlier one had started. Clients lost their connections
//! with that one, so what is told before they come back is kept for them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::control::container::Container;
use crate::control::lifecycle::start::now;
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;

/// How long after the start they are kept.
pub(crate) const KEPT: Duration = Duration::from_secs(60);
/// How many.
const MOST: usize = 1024;

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    kept: Mutex<Kept>,
    told: AtomicUsize,
    start: Instant,
    /// The same moment, in nanoseconds since the machine booted.
    booted: u64,
}

#[derive(Debug, Default)]
struct Kept {
    /// The events, each with its number among all events that were told.
    events: VecDeque<(usize, Event)>,
    /// Containers that were found to have ended and that this daemon has started anew.
    anew: BTreeSet<ContainerId>,
}

impl Found {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::default(), told: AtomicUsize::new(0), start: Instant::now(), booted: now() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event is told.
    pub(crate) fn count(&self) {
        self.told.fetch_add(1, Ordering::AcqRel);
    }

    /// An event is about to be told of a container that this daemon started. If it was found to have ended, that is old
    /// news for as long as it runs anew: who comes late must not take it for dead.
    pub(crate) fn follow(&self, event: &Event) {
        match event {
            Event::Started { id, .. } => {
                let mut kept = self.lock();
                if kept.outdate(id) {
                    kept.anew.insert(id.clone());
                }
            }
            Event::Stopped { id, .. } | Event::Failed { id, .. } => {
                let again = self.lock().anew.remove(id);
                if again {
                    self.keep(event);
                }
            }
            Event::Minidump { .. } => {}
        }
    }

    /// Whether an earlier daemon started the container.
    pub(crate) fn has(&self, container: &Container) -> bool {
        container.started < self.booted
    }

    /// An event is about to be told of such a container. Who comes late hears how things are in the end: clients
    /// subscribe to each kind of event in turn, so an order would not survive.
    pub(crate) fn keep(&self, event: &Event) {
        let mut kept = self.lock();
        if !matches!(event, Event::Minidump { .. }) {
            kept.outdate(of(event));
        }
        if self.start.elapsed() < KEPT && kept.events.len() < MOST {
            kept.events.push_back((self.told.load(Ordering::Acquire), event.clone()));
        }
    }

    /// What was told before the last `ahead` events.
    pub(crate) fn before(&self, ahead: usize) -> Vec<Event> {
        let mut kept = self.lock();
        if self.start.elapsed() >= KEPT {
            *kept = Kept::default();
        }
        let place = self.told.load(Ordering::Acquire).saturating_sub(ahead);
        kept.events.iter().filter(|(number, _)| *number < place).map(|(_, event)| event.clone()).collect()
    }
}

impl Kept {
    /// What was told of a container is old news, but for its dumps. Whether there was anything.
    fn outdate(&mut self, id: &ContainerId) -> bool {
        let before = self.events.len();
        self.events.retain(|(_, found)| matches!(found, Event::Minidump { .. }) || of(found) != id);
        self.events.len() < before
    }
}

/// The container of an event.
fn of(event: &Event) -> &ContainerId {
    match event {
        Event::Started { id, .. }
        | Event::Stopped { id, .. }
        | Event::Failed { id, .. }
        | Event::Minidump { id, .. } => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(id: &str) -> Event {
        Event::Stopped {
            id: id.parse().unwrap(),
            descriptor: 1,
            exit: crate::control::model::state::ExitStatus::Unknown,
        }
    }

    #[test]
    fn what_was_found_is_kept_while_its_container_does_not_run_and_until_time_is_up() {
        let mut found = Found::new();
        for id in ["a", "b", "c"] {
            found.keep(&stopped(id));
            found.count();
        }
        assert_eq!(found.before(0), ["a", "b", "c"].map(stopped));
        assert_eq!(found.before(1), ["a", "b"].map(stopped), "the last one is still on its way");
        found.follow(&Event::Started { id: "b".parse().unwrap(), descriptor: 2 });
        assert_eq!(found.before(0), ["a", "c"].map(stopped));
        found.follow(&stopped("b"));
        found.count();
        assert_eq!(found.before(0), ["a", "c", "b"].map(stopped));
        found.keep(&stopped("c"));
        found.count();
        assert_eq!(found.before(0), ["a", "b", "c"].map(stopped), "once is enough");
        found.start -= KEPT;
        assert_eq!(found.before(0), []);
        found.keep(&stopped("d"));
        assert_eq!(found.before(0), []);
    }
}
