//! What the daemon found: ends and dumps of containers that an earlier one had started. Clients lost their connections
//! with that one, so what is told before they come back is kept for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::container::Container;
use super::start::now;
use super::{ContainerId, Event};

/// How long after the start they are kept.
const KEPT: Duration = Duration::from_secs(60);
/// How many.
const MOST: usize = 1024;

/// The events, each with its number among all events that were told.
#[derive(Debug)]
pub(super) struct Found {
    events: Mutex<VecDeque<(usize, Event)>>,
    told: AtomicUsize,
    start: Instant,
    /// The same moment, in nanoseconds since the machine booted.
    booted: u64,
}

impl Found {
    pub(super) fn new() -> Self {
        Self { events: Mutex::default(), told: AtomicUsize::new(0), start: Instant::now(), booted: now() }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(usize, Event)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event is told. What was found of a container is old news once it is started anew.
    pub(super) fn count(&self, event: &Event) {
        self.told.fetch_add(1, Ordering::AcqRel);
        if let Event::Started { id, .. } = event {
            self.lock().retain(|(_, found)| of(found) != id);
        }
    }

    /// Whether an earlier daemon started the container.
    pub(super) fn has(&self, container: &Container) -> bool {
        container.started < self.booted
    }

    /// An event is about to be told of such a container.
    pub(super) fn keep(&self, event: &Event) {
        let mut events = self.lock();
        if self.start.elapsed() < KEPT && events.len() < MOST {
            events.push_back((self.told.load(Ordering::Acquire), event.clone()));
        }
    }

    /// What was told before the last `ahead` events.
    pub(super) fn before(&self, ahead: usize) -> Vec<Event> {
        let mut events = self.lock();
        if self.start.elapsed() >= KEPT {
            events.clear();
        }
        let place = self.told.load(Ordering::Acquire).saturating_sub(ahead);
        events.iter().filter(|(number, _)| *number < place).map(|(_, event)| event.clone()).collect()
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
        Event::Stopped { id: id.parse().unwrap(), descriptor: 1, exit: crate::control::ExitStatus::Unknown }
    }

    #[test]
    fn what_was_found_is_kept_until_its_container_starts_or_time_is_up() {
        let mut found = Found::new();
        for id in ["a", "b", "c"] {
            found.keep(&stopped(id));
            found.count(&stopped(id));
        }
        assert_eq!(found.before(0), ["a", "b", "c"].map(stopped));
        assert_eq!(found.before(1), ["a", "b"].map(stopped), "the last one is still on its way");
        found.count(&Event::Started { id: "b".parse().unwrap(), descriptor: 2 });
        assert_eq!(found.before(0), ["a", "c"].map(stopped));
        found.start -= KEPT;
        assert_eq!(found.before(0), []);
        found.keep(&stopped("d"));
        assert_eq!(found.before(0), []);
    }
}
