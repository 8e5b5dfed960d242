//! Entries of the outbox that an earlier daemon left.

use std::path::Path;
use std::time::Duration;

use crate::control::clock::boottime;
use crate::control::events::entry::{EntryName, OutboxEntry};
use crate::control::events::outbox::Outbox;
use crate::control::events::replay::REPLAY_TIME;
use crate::control::model::event::Event;
use crate::control::registry::Registry;
use crate::control::state::container_dir::{ContainerDir, discard};

/// What became of a container after an entry about its end was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// Nothing that was announced: the events are the latest news.
    Nothing,
    /// The same end is still to be handled, since the container was to be restarted: it comes once more.
    SameEnd,
    /// A later start, which was announced: of the events only the dumps and crash loops are news.
    LaterStart,
}

/// Sends the events in the entries in `dir`, and remembers the exit statuses for clients that ask.
pub(crate) fn deliver(outbox: &Outbox, registry: &Registry, dir: &Path, mut names: Vec<EntryName>) {
    names.sort_by_key(|name| name.started);
    for name in names {
        let path = name.path(dir);
        let Ok(entry) = OutboxEntry::read(&path) else {
            // Its container is still there.
            discard(&path);
            continue;
        };
        let afterwards = afterwards(&name, &entry, dir);
        let waited = if name.delivered == 0 { 0 } else { boottime().saturating_sub(name.delivered) };
        let left = REPLAY_TIME.saturating_sub(Duration::from_nanos(waited));
        if left.is_zero() || afterwards == Afterwards::SameEnd {
            discard(&path);
            continue;
        }
        for event in &entry.events {
            if let Event::Stopped { id, exit, .. } = event {
                registry.remember_exit(id, *exit);
            }
        }
        let is_news = |event: &Event| afterwards == Afterwards::Nothing || event.is_of_crash();
        let news = entry.events.into_iter().filter(is_news);
        let state = |event: &Event| outbox.unsent_state(name.started, event);
        let events = news.flat_map(|event| state(&event).into_iter().chain([event])).collect();
        outbox.deliver_within(outbox.take_over(name, events), left);
    }
}

/// Compares an entry with the directory of its container. One that was to be removed loses its saved state.
fn afterwards(name: &EntryName, entry: &OutboxEntry, state_dir: &Path) -> Afterwards {
    let dir = ContainerDir::new(state_dir, &name.id);
    match dir.load() {
        Ok(saved) if saved.started == name.started && entry.restart => Afterwards::SameEnd,
        Ok(saved) if saved.started == name.started => {
            dir.forget_saved_state();
            Afterwards::Nothing
        }
        Ok(saved) if saved.started > name.started && !saved.start_unannounced => Afterwards::LaterStart,
        _ => Afterwards::Nothing,
    }
}
