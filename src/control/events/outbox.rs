//! The outbox: the one way of an event. It is persisted, sent on the bus, and dropped once it can be taken for
//! delivered. A daemon that is killed in between leaves it to the next one, which sends it again: delivery is at least
//! once.
//!
//! An event is persisted by one of two keepers: the saved state of a container that is there (its start), or an entry,
//! a file beside the directories of the containers (its end and its dumps, when nothing else is left).

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::control::clock::boottime;
use crate::control::container::Container;
use crate::control::events::bus::EventBus;
use crate::control::events::dumps::DumpTracker;
use crate::control::events::entry::{EntryName, OutboxEntry};
use crate::control::events::loops::LoopTracker;
use crate::control::events::replay::REPLAY_TIME;
use crate::control::model::event::{Event, Origin};
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;
use crate::control::state::container_dir::discard;
use crate::control::state::saved_state::SavedState;
use crate::control::tasks::Tasks;

/// How long an event may take to leave this process.
const SEND_TIME: Duration = Duration::from_secs(1);

/// Persists events, sends them, and drops them.
#[derive(Debug)]
pub(crate) struct Outbox {
    dir: PathBuf,
    bus: Arc<EventBus>,
    tasks: Arc<Tasks>,
    /// Which dumps were sent, and what was in their directories before.
    pub(crate) dumps: DumpTracker,
    /// Which crash loops were sent.
    loops: Arc<LoopTracker>,
}

/// Events that are persisted and not sent yet.
#[must_use = "they are for the next daemon unless they are delivered"]
pub(crate) struct Posted {
    keeper: Keeper,
    origin: Origin,
    /// When the container was started: the name of the entry, or the saved state, says it to the next daemon, too.
    attempt: u64,
    events: Vec<Event>,
}

/// What keeps events for the next daemon.
enum Keeper {
    /// There is nothing to keep.
    Nothing,
    /// The saved state of a container. Not kept alive for this: it holds descriptors.
    SavedState(Weak<Container>),
    /// An entry.
    Entry(PathBuf),
}

impl Outbox {
    /// The outbox in the state directory `dir`.
    pub(crate) fn new(dir: PathBuf, bus: Arc<EventBus>, tasks: Arc<Tasks>) -> Self {
        let loops = Arc::new(LoopTracker::new(&dir));
        Self { dir, bus, tasks, dumps: DumpTracker::new(), loops }
    }

    /// Events that the saved state of a container keeps: its start says so, its end stands in it until it is deleted.
    pub(crate) fn kept_by_state(&self, container: &Arc<Container>, events: Vec<Event>) -> Posted {
        let keeper = Keeper::SavedState(Arc::downgrade(container));
        let (origin, attempt) = (container.origin, container.started);
        Posted { keeper, origin, attempt, events: self.unreported(events) }
    }

    /// Writes down what there is to announce of the end of a container, before nothing else is left of it. `restart`: it
    /// is about to be restarted.
    pub(crate) fn write_end(&self, container: &Container, events: Vec<Event>, restart: bool) -> Posted {
        let name = EntryName::new(container.id.clone(), container.started);
        self.write(&name, container.origin, OutboxEntry { restart, events })
    }

    /// Writes down dumps of a container that came to light apart from its end.
    pub(crate) fn write_dumps(&self, id: &ContainerId, origin: Origin, dumps: Vec<Event>) -> Posted {
        let entry = OutboxEntry { restart: false, events: dumps };
        self.write(&EntryName::new(id.clone(), boottime()), origin, entry)
    }

    fn write(&self, name: &EntryName, origin: Origin, entry: OutboxEntry) -> Posted {
        let path = name.path(&self.dir);
        let entry = OutboxEntry { events: self.unreported(entry.events), ..entry };
        if entry.events.is_empty() {
            let (keeper, attempt) = (Keeper::Nothing, name.started);
            return Posted { keeper, origin, attempt, events: entry.events };
        }
        if let Err(error) = entry.write(&path) {
            log::warn!("container {}: {}", name.id, error.report());
        }
        Posted { keeper: Keeper::Entry(path), origin, attempt: name.started, events: entry.events }
    }

    /// The change of state that comes before the end of a container, unless an earlier daemon has sent it.
    pub(crate) fn unsent_state(&self, attempt: u64, event: &Event) -> Option<Event> {
        let Event::Stopped { id, descriptor, .. } = event else { return None };
        let (id, descriptor, state) = (id.clone(), *descriptor, State::Stopped);
        let is_sent = self.bus.last_state(attempt, &id) == Some(state);
        (!is_sent).then_some(Event::StateChanged { id, descriptor, state })
    }

    /// Takes over an entry of an earlier daemon, as it left it under `name`.
    pub(crate) fn take_over(&self, name: EntryName, events: Vec<Event>) -> Posted {
        let path = name.path(&self.dir);
        let delivered = if name.delivered == 0 { boottime() } else { name.delivered };
        let attempt = name.started;
        let renamed = EntryName { delivered, ..name }.path(&self.dir);
        if let Err(error) = std::fs::rename(&path, &renamed) {
            log::warn!("cannot rename {}: {error}", path.display());
        }
        self.loops.take_over(&events);
        let events = self.unreported(events);
        let origin = Origin::EarlierDaemon;
        Posted { keeper: Keeper::Entry(renamed), origin, attempt, events }
    }

    /// Sends events, and drops them once they had the usual time to be received.
    pub(crate) fn deliver(&self, posted: Posted) {
        let time = match posted.origin {
            Origin::ThisDaemon => SEND_TIME,
            // Clients of the earlier daemon must come back first.
            Origin::EarlierDaemon => REPLAY_TIME,
        };
        self.deliver_within(posted, time);
    }

    /// Sends events, and drops them after `time`.
    pub(crate) fn deliver_within(&self, posted: Posted, time: Duration) {
        let Posted { keeper, origin, attempt, events } = posted;
        let loops = Arc::clone(&self.loops);
        let begun: Vec<Event> =
            events.iter().filter(|event| matches!(event, Event::CrashLoop { .. })).cloned().collect();
        for event in events {
            match origin {
                Origin::ThisDaemon => self.bus.send(origin, attempt, event),
                Origin::EarlierDaemon => self.bus.send_again(attempt, event),
            }
        }
        if !matches!(keeper, Keeper::Nothing) {
            self.tasks.spawn(async move {
                tokio::time::sleep(time).await;
                loops.note_delivered(&begun);
                keeper.drop_events().await;
            });
        }
    }

    /// All but dumps that were reported before, and the crash loops that the dumps show.
    fn unreported(&self, events: Vec<Event>) -> Vec<Event> {
        let is_new = |event: &Event| match event {
            Event::Minidump { path, .. } => self.dumps.first_report(path),
            _ => true,
        };
        let news = |event: Event| {
            let begun = self.loops.begun(&event);
            Some(event).filter(is_new).into_iter().chain(begun)
        };
        events.into_iter().flat_map(news).collect()
    }
}

impl Keeper {
    async fn drop_events(self) {
        match self {
            Self::Nothing => {}
            Self::Entry(path) => discard(&path),
            Self::SavedState(container) => {
                let Some(container) = container.upgrade() else { return };
                let _change = container.change.lock().await;
                let Some(init) = container.init() else { return };
                let saved = SavedState { start_unannounced: false, ..container.saved_state(Some(&init)) };
                if let Err(error) = container.dir.save(&saved) {
                    log::warn!("container {}: {}", container.id, error.report());
                }
            }
        }
    }
}
