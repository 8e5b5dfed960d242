//! Events that clients may not have heard: a daemon can be killed right after something happened. What happened lies
//! in the state directory until it is surely out, and the next daemon tells it (once more, perhaps).
//!
//! A start is untold as long as the container's record says so. An end leaves a note, since nothing else is left then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::control::container::{Container, Phase};
use crate::control::events::dumps::Before;
use crate::control::events::replay;
use crate::control::lifecycle::context::Shared;
use crate::control::lifecycle::start::{now, record};
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::state::container_dir::{Record, Shelf, discard, write_new};
use crate::oci::bundle::read_json;

/// What the names of notes begin with. No container has such an id.
const NOTE: &str = "+ended.";
/// How long an event may take to leave this process.
const LEAVING: Duration = Duration::from_secs(1);
/// By how much the times of files may be behind.
const TICK: Duration = Duration::from_millis(20);

/// That a container ended.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Whether it was to be started again.
    again: bool,
    /// What is to be told of it.
    events: Vec<Event>,
}

/// The name of a note, `+ended.TOLD.STARTED.ID`.
#[derive(Debug)]
pub(crate) struct Name {
    /// When a later daemon told what it says, in nanoseconds since the machine booted; 0 before.
    told: u64,
    /// Which of the container's lives it was: see [`Record::started`].
    started: u64,
    /// Which container.
    id: ContainerId,
}

impl Name {
    fn of(container: &Container) -> Self {
        Self { told: 0, started: container.started, id: container.id.clone() }
    }

    /// Nothing when it is no name of a note.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (told, rest) = name.strip_prefix(NOTE)?.split_once('.')?;
        let (started, id) = rest.split_once('.')?;
        Some(Self { told: told.parse().ok()?, started: started.parse().ok()?, id: id.parse().ok()? })
    }

    fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{NOTE}{}.{}.{}", self.told, self.started, self.id))
    }
}

/// What there is of a container beside the note of its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nothing that was told.
    None,
    /// The same life: it ends for this daemon, too, and is started again.
    Ends,
    /// A later one, and that was told.
    Another,
}

impl Shared {
    /// How long what is told of a container may take to be heard.
    fn hearing(&self, container: &Container) -> Duration {
        if self.found.has(container) { replay::KEPT } else { LEAVING }
    }

    /// Tells that a container was started. A later daemon does that again, unless it was heard by then.
    pub(crate) fn tell_start(self: &Arc<Self>, container: &Arc<Container>) {
        let started = Event::Started { id: container.id.clone(), descriptor: container.descriptor };
        self.tell_of(container, started);
        // Not kept alive for this: it holds descriptors.
        let (weak, heard) = (Arc::downgrade(container), self.hearing(container));
        self.spawn(async move {
            tokio::time::sleep(heard).await;
            let Some(container) = weak.upgrade() else { return };
            let _change = container.change.lock().await;
            let Some(init) = container.init().filter(|_| container.phase() == Phase::Up) else { return };
            let record = Record { untold: false, ..record(&container, Some(init)) };
            if let Err(error) = container.shelf.save(&record) {
                log::warn!("container {}: {}", container.id, error.report());
            }
        });
    }

    /// Tells of the dumps that came to light when a container was started: an earlier daemon may not have done so.
    pub(crate) fn tell_dumps_since_start(&self, container: &Container) {
        let mut before = Before::look(&container.wanted().dump_dirs);
        before.forget_since(&container.id, start(container));
        self.tell_dumps(before.new_ones(&container.id), true);
    }

    /// Notes what there is to tell of the end of a container, before nothing is left that a later daemon could tell it
    /// from. `again`: it will be started again.
    pub(crate) fn note_end(&self, container: &Container, events: Vec<Event>, again: bool) {
        if events.is_empty() {
            return;
        }
        let path = Name::of(container).path(&self.settings.state_dir);
        let written = serde_json::to_vec(&Note { again, events }).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|text| write_new(&path, &text)) {
            log::warn!("container {}: cannot write {}: {error}", container.id, path.display());
        }
    }

    /// The end was told: the note goes once that is heard.
    pub(crate) fn told_end(&self, container: &Container) {
        self.discard_after(self.hearing(container), Name::of(container).path(&self.settings.state_dir));
    }

    /// Tells the ends that an earlier daemon noted, and remembers them for who waits.
    pub(crate) fn tell_untold(&self, mut names: Vec<Name>) {
        let dir = &self.settings.state_dir;
        names.sort_by_key(|name| name.started);
        for name in names {
            let path = name.path(dir);
            let Ok(Ok(note)) = read_json(&path).map(serde_json::from_value::<Note>) else {
                // A daemon was killed as it wrote it. Its container is still there.
                discard(&path);
                continue;
            };
            let life = self.life_after(&name, &note);
            let told = if name.told == 0 { now() } else { name.told };
            let left = replay::KEPT.saturating_sub(Duration::from_nanos(now().saturating_sub(told)));
            if left.is_zero() || life == Life::Ends {
                discard(&path);
                continue;
            }
            for event in note.events {
                if let Event::Stopped { id, exit, .. } = &event {
                    self.remember(id, *exit);
                }
                match event {
                    Event::Minidump { .. } => self.tell_dumps(vec![event], true),
                    event if life == Life::None => self.tell_found(event),
                    _ => {}
                }
            }
            let renamed = Name { told, ..name }.path(dir);
            if let Err(error) = std::fs::rename(&path, &renamed) {
                log::warn!("cannot rename {}: {error}", path.display());
            }
            self.discard_after(left, renamed);
        }
    }

    /// Compares a note of an earlier daemon with what else it left of the container. The record of one that was to be
    /// put away goes.
    fn life_after(&self, name: &Name, note: &Note) -> Life {
        let shelf = Shelf::new(&self.settings.state_dir, &name.id);
        match shelf.load() {
            Ok(record) if record.started == name.started && note.again => Life::Ends,
            Ok(record) if record.started == name.started => {
                shelf.discard("record.json");
                Life::None
            }
            Ok(record) if record.started > name.started && !record.untold => Life::Another,
            _ => Life::None,
        }
    }

    fn discard_after(&self, time: Duration, note: PathBuf) {
        self.spawn(async move {
            tokio::time::sleep(time).await;
            discard(&note);
        });
    }
}

/// Since when the daemon that started a container may not have told of its dumps.
pub(crate) fn silence(container: &Container) -> Option<SystemTime> {
    let record = container.shelf.load().ok()?;
    if record.untold { Some(start(container)) } else { container.shelf.saved() }
}

/// When a container was started.
fn start(container: &Container) -> SystemTime {
    let age = Duration::from_nanos(now().saturating_sub(container.started)) + TICK;
    SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How a container ended is known, which a later daemon could not find out; and that nobody wants it back.
pub(crate) fn note_exit(container: &Container, exit: ExitStatus) {
    if exit == ExitStatus::Unknown {
        return;
    }
    let noted = container.shelf.load().and_then(|record| match record.exit {
        None => {
            let restarts = record.restarts.filter(|_| !container.is_unwanted());
            container.shelf.save(&Record { exit: Some(exit), restarts, ..record })
        }
        Some(_) => Ok(()),
    });
    if let Err(error) = noted {
        log::warn!("container {}: {}", container.id, error.report());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_notes_are_read_as_they_are_written() {
        let name = Name { told: 0, started: 17, id: "com.app.1".parse().unwrap() };
        let path = name.path(Path::new("/state"));
        assert_eq!(path, Path::new("/state/+ended.0.17.com.app.1"));
        let read = Name::parse("+ended.0.17.com.app.1").unwrap();
        assert_eq!((read.told, read.started, read.id), (name.told, name.started, name.id));
        for other in ["+ended.", "+ended.0.17", "+ended.0.17.../x", "+ended.x.17.a", "+minidumps", "com.app"]
        {
            assert!(Name::parse(other).is_none(), "{other}");
        }
    }
}
