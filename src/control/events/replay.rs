//! Replay: what became of containers that an earlier daemon had started, for clients that subscribe late.
//!
//! Clients lost their connections with the earlier daemon, so what is announced before they come back is retained for
//! them: every dump and crash loop, and the latest state of each container.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::control::model::event::{Event, Origin};
use crate::control::model::id::ContainerId;

/// How long after the daemon's start events are retained.
pub(crate) const REPLAY_TIME: Duration = Duration::from_secs(60);
/// The most events that are retained.
const MAX_EVENTS: usize = 1024;

/// The retained events.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Each with its number among all events.
    events: VecDeque<(u64, Event)>,
    /// Containers whose retained end was superseded by a start of this daemon.
    restarted: BTreeSet<ContainerId>,
    opened: Instant,
}

impl Replay {
    pub(crate) fn new() -> Self {
        Self { events: VecDeque::new(), restarted: BTreeSet::new(), opened: Instant::now() }
    }

    /// Called with each event before it is sent.
    pub(crate) fn note(&mut self, origin: Origin, number: u64, event: &Event) {
        // A late subscriber asks for the state.
        if matches!(event, Event::StateChanged { .. }) {
            return;
        }
        match origin {
            Origin::EarlierDaemon => self.retain(number, event),
            Origin::ThisDaemon => self.follow(number, event),
        }
    }

    /// Late subscribers receive only the latest state per container: clients subscribe to each kind of event in turn, so
    /// an order would not survive.
    fn retain(&mut self, number: u64, event: &Event) {
        if !event.is_of_crash() {
            self.supersede(event.container());
        }
        if self.opened.elapsed() >= REPLAY_TIME {
            return;
        }
        if self.events.len() < MAX_EVENTS {
            self.events.push_back((number, event.clone()));
        } else {
            let id = event.container();
            log::warn!(
                "event {number}, of container {id}, is kept only for clients that ask for it by `since`"
            );
        }
    }

    /// A retained end is out of date while a new instance of the container runs, and its own end takes the place.
    fn follow(&mut self, number: u64, event: &Event) {
        match event {
            Event::Started { id, .. } => {
                if self.supersede(id) {
                    self.restarted.insert(id.clone());
                }
            }
            Event::Stopped { id, .. } | Event::Failed { id, .. } => {
                if self.restarted.remove(id) {
                    self.retain(number, event);
                }
            }
            Event::StateChanged { .. } | Event::Minidump { .. } | Event::CrashLoop { .. } => {}
        }
    }

    /// Drops what is retained of a container, but for its crashes. Whether there was anything.
    fn supersede(&mut self, id: &ContainerId) -> bool {
        let before = self.events.len();
        self.events.retain(|(_, kept)| kept.is_of_crash() || kept.container() != id);
        self.events.len() < before
    }

    /// The retained events with a smaller number.
    pub(crate) fn before(&mut self, number: u64) -> Vec<(u64, Event)> {
        if self.opened.elapsed() >= REPLAY_TIME {
            self.events.clear();
            self.restarted.clear();
        }
        let earlier = self.events.iter().filter(|(own, _)| *own < number);
        earlier.cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::model::state::ExitStatus;

    fn stopped(id: &str) -> Event {
        Event::Stopped { id: id.parse().unwrap(), descriptor: 1, exit: ExitStatus::Unknown }
    }

    #[test]
    fn what_was_found_is_kept_while_its_container_does_not_run_and_until_time_is_up() {
        use Origin::{EarlierDaemon, ThisDaemon};

        let before = |replay: &mut Replay, number| -> Vec<Event> {
            replay.before(number).into_iter().map(|(_, event)| event).collect()
        };
        let mut replay = Replay::new();
        for (number, id) in (0..).zip(["a", "b", "c"]) {
            replay.note(EarlierDaemon, number, &stopped(id));
        }
        assert_eq!(before(&mut replay, 3), ["a", "b", "c"].map(stopped));
        assert_eq!(before(&mut replay, 2), ["a", "b"].map(stopped), "the last one is still on its way");
        replay.note(ThisDaemon, 3, &Event::Started { id: "b".parse().unwrap(), descriptor: 2 });
        assert_eq!(before(&mut replay, 4), ["a", "c"].map(stopped));
        replay.note(ThisDaemon, 4, &stopped("b"));
        assert_eq!(before(&mut replay, 5), ["a", "c", "b"].map(stopped));
        replay.note(EarlierDaemon, 5, &stopped("c"));
        assert_eq!(before(&mut replay, 6), ["a", "b", "c"].map(stopped), "once is enough");
        replay.opened -= REPLAY_TIME;
        assert_eq!(before(&mut replay, 6), []);
        replay.note(EarlierDaemon, 6, &stopped("d"));
        assert_eq!(before(&mut replay, 7), []);
    }
}
