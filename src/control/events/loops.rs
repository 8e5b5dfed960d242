//! Which crash loops were announced. The hook marks the dumps of a loop, and the event goes with the first of them that is
//! seen here.
//!
//! Each loop is announced once, over restarts of the daemon, too: what was delivered is noted in a file in the state
//! directory, before the events are dropped. A daemon that is killed before that leaves the event in its entry, or the dump
//! is found again.

use std::collections::VecDeque;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::error::{Result, Tried};
use crate::harvest::crash_loop::begun::CrashLoop;
use crate::host;
use crate::oci::bundle::read_bounded;

/// The directory of the note, in the state directory. No container has such an id.
pub(crate) const LOOPS: &str = "+loops";
const NOTE: &str = "announced.json";
/// The most loops that are remembered, of one container and of all. The oldest are forgotten.
const MAX_OF_CONTAINER: usize = 16;
const MAX_LOOPS: usize = 1024;

/// Remembers loops.
#[derive(Debug)]
pub(crate) struct LoopTracker {
    dir: PathBuf,
    /// The oldest first.
    known: Mutex<VecDeque<Known>>,
}

/// A loop that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    id: ContainerId,
    since: i64,
    /// Whether its event has been delivered, so that no later daemon sends it.
    #[serde(skip)]
    is_delivered: bool,
}

impl LoopTracker {
    /// Knows what earlier daemons have noted in the state directory `dir`.
    pub(crate) fn new(dir: &Path) -> Self {
        let dir = dir.join(LOOPS);
        let path = dir.join(NOTE);
        let read = || serde_json::from_slice::<Vec<Known>>(&read_bounded(&path).ok()?).ok();
        let noted = if path.exists() { read() } else { Some(Vec::new()) };
        if noted.is_none() {
            log::warn!("{} is damaged; crash loops may be announced again", path.display());
        }
        let known = noted.into_iter().flatten().map(|known| Known { is_delivered: true, ..known }).collect();
        Self { dir, known: Mutex::new(known) }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event of the loop that a dump is of, unless it was announced. From now on it is.
    pub(crate) fn begun(&self, dump: &Event) -> Option<Event> {
        let Event::Minidump { id, path, .. } = dump else { return None };
        let found = CrashLoop::of(path)?;
        let mut known = self.lock();
        if known.iter().any(|known| known.id == *id && found.is_that_of(known.since)) {
            return None;
        }
        remember(&mut known, id, found.since);
        Some(Event::CrashLoop { id: id.clone(), count: found.count, since: found.since })
    }

    /// Remembers what an earlier daemon has found and may not have sent.
    pub(crate) fn take_over(&self, events: &[Event]) {
        let mut known = self.lock();
        for (id, since) in loops(events) {
            if !known.iter().any(|known| known.id == *id && known.since == since) {
                remember(&mut known, id, since);
            }
        }
    }

    /// Notes that the loops among `events` were delivered.
    pub(crate) fn note_delivered(&self, events: &[Event]) {
        let mut all = self.lock();
        let mut is_changed = false;
        for (id, since) in loops(events) {
            if let Some(known) = all.iter_mut().find(|known| known.id == *id && known.since == since) {
                is_changed |= !std::mem::replace(&mut known.is_delivered, true);
            }
        }
        if is_changed {
            let delivered: Vec<&Known> = all.iter().filter(|known| known.is_delivered).collect();
            if let Err(error) = self.write(&delivered) {
                log::warn!("a crash loop may be announced again: {}", error.report());
            }
        }
    }

    fn write(&self, delivered: &[&Known]) -> Result<()> {
        let what = || format!("cannot make {}", self.dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).tried(what)?;
        let text = serde_json::to_vec(delivered).unwrap_or_default();
        host::write::write_private(&self.dir.join(NOTE), &text)
    }
}

/// The loops among events.
fn loops(events: &[Event]) -> impl Iterator<Item = (&ContainerId, i64)> {
    events.iter().filter_map(|event| match event {
        Event::CrashLoop { id, since, .. } => Some((id, *since)),
        _ => None,
    })
}

/// A container that makes up the times of its crashes must not make that of others forgotten.
fn remember(known: &mut VecDeque<Known>, id: &ContainerId, since: i64) {
    let of_container = known.iter().filter(|known| known.id == *id).count();
    if of_container >= MAX_OF_CONTAINER
        && let Some(oldest) = known.iter().position(|known| known.id == *id)
    {
        known.remove(oldest);
    }
    if known.len() >= MAX_LOOPS {
        known.pop_front();
    }
    known.push_back(Known { id: id.clone(), since, is_delivered: false });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, File};

    use super::*;
    use crate::harvest::crash_loop::next_number;
    use crate::harvest::marks::Marks;
    use crate::harvest::retention;
    use crate::image::read::files::Time;
    use crate::settings::admin::Retention;
    use crate::settings::burst::Burst;

    const BURST: Burst = Burst { count: 3, seconds: 100 };

    /// A host on which a container crashes: the hook's part is real, and the daemon is the tracker and what it sends.
    #[derive(Default)]
    struct Host {
        dir: PathBuf,
        now: i64,
        /// What really happened: the crashes of each time of the limit, by the time of the first one.
        bursts: Vec<(i64, u64)>,
        tracker: Option<LoopTracker>,
        /// The names that daemons have seen, and what is in entries of the outbox.
        seen: BTreeSet<PathBuf>,
        entries: Vec<Event>,
        /// What this daemon has sent, and what was delivered by any.
        sent: Vec<Event>,
        delivered: BTreeSet<i64>,
    }

    impl Host {
        fn at(dir: &Path) -> Self {
            Self { dir: dir.to_owned(), tracker: Some(LoopTracker::new(dir)), ..Self::default() }
        }

        /// It crashes `count` times, and the hook brings the dumps to the host.
        fn crash(&mut self, count: u64) {
            for _ in 0..count {
                match self.bursts.last_mut() {
                    Some((since, count)) if self.now - *since < 100 => *count += 1,
                    _ => self.bursts.push((self.now, 1)),
                }
                let number = next_number(&self.dir, "app").unwrap();
                let path = self.dir.join(format!("{}-{number}.dmp", self.now));
                let file = File::create_new(path).unwrap();
                let time = Time { seconds: self.now, nanoseconds: 0 };
                Marks { container: Some("app"), time, number, not_kept: 0 }.write(&file).unwrap();
            }
            let limits = Retention { burst: Some(BURST), ..Retention::default() };
            retention::apply(&self.dir, limits, &[]).unwrap();
        }

        /// The daemon looks for dumps, writes its entry, and sends what is in it.
        fn look(&mut self) {
            let entries = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().path());
            let mut dumps: Vec<PathBuf> =
                entries.filter(|path| path.extension().is_some_and(|ending| ending == "dmp")).collect();
            dumps.sort();
            dumps.retain(|path| self.seen.insert(path.clone()));
            for path in dumps {
                let id = "app".parse().unwrap();
                let (name, record) = (String::new(), None);
                let dump = Event::Minidump { id, name, path, size: 0, truncated: false, record };
                if let Some(event) = self.tracker.as_ref().unwrap().begun(&dump) {
                    self.check(&event);
                    self.entries.push(event);
                }
            }
        }

        /// An event is true, was not delivered before, and comes once from a daemon.
        fn check(&mut self, event: &Event) {
            let Event::CrashLoop { count, since, .. } = event else { panic!("{event:?}") };
            let real = self.bursts.iter().find(|(begin, _)| begin == since);
            let real = real.unwrap_or_else(|| panic!("{since} of {:?}", self.bursts)).1;
            assert!(*count > BURST.count && *count <= real, "{event:?} of {real}");
            assert!(!self.sent.contains(event) && !self.delivered.contains(since), "{event:?} comes twice");
            self.sent.push(event.clone());
        }

        /// The events had their time.
        fn deliver(&mut self) {
            self.tracker.as_ref().unwrap().note_delivered(&self.entries);
            self.delivered.extend(loops(&self.entries).map(|(_, since)| since));
            self.entries.clear();
        }

        /// The daemon is killed after it has found dumps, and before it has written that down.
        fn look_in_vain(&mut self) {
            let before = (self.seen.clone(), self.entries.clone());
            self.look();
            (self.seen, self.entries) = before;
            self.restart();
        }

        /// The daemon is killed. The next one sends what is in the entries.
        fn restart(&mut self) {
            self.tracker = Some(LoopTracker::new(&self.dir));
            self.sent.clear();
            self.tracker.as_ref().unwrap().take_over(&self.entries);
        }
    }

    #[test]
    fn each_loop_is_announced_once_whatever_the_daemon_does_meanwhile() {
        for seed in 1..=20_u64 {
            let dir = tempfile::tempdir().unwrap();
            let (mut host, mut random) = (Host::at(dir.path()), seed);
            for step in 0..60 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step * 2 + 1);
                let draw = random >> 33;
                match draw % 8 {
                    0..=2 => host.crash(1 + draw / 8 % 4),
                    3 => host.look(),
                    4 => host.deliver(),
                    5 => host.restart(),
                    6 => host.look_in_vain(),
                    _ => host.now += i64::try_from(draw / 8 % 60).unwrap(),
                }
            }
            host.look();
            host.deliver();
            let loops: Vec<i64> = host
                .bursts
                .iter()
                .filter(|(_, count)| *count > BURST.count)
                .map(|(since, _)| *since)
                .collect();
            assert_eq!(host.delivered.iter().copied().collect::<Vec<_>>(), loops, "seed {seed}");
        }
    }

    #[test]
    fn a_loop_goes_on_when_its_first_dumps_are_taken_away_and_when_its_note_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let mut host = Host::at(dir.path());
        host.crash(9);
        host.look();
        assert_eq!(host.sent.len(), 1);
        host.deliver();
        for path in host.seen.clone() {
            let _gone = fs::remove_file(path);
        }
        host.now += 20;
        host.crash(9);
        host.restart();
        host.look();
        assert_eq!(host.sent, [], "the same time of the limit");
        fs::write(dir.path().join(LOOPS).join(NOTE), "[{").unwrap();
        assert_eq!(*LoopTracker::new(dir.path()).lock(), []);
    }

    #[test]
    fn what_one_container_makes_up_is_bounded_and_costs_no_other() {
        let (mut known, other) = (VecDeque::new(), "other".parse().unwrap());
        remember(&mut known, &other, 1);
        for since in 0..100_000 {
            remember(&mut known, &"app".parse().unwrap(), since);
        }
        assert_eq!((known.len(), known[0].id.clone()), (MAX_OF_CONTAINER + 1, other));
        for n in 0..2000 {
            remember(&mut known, &format!("c{n}").parse().unwrap(), 1);
        }
        assert_eq!(known.len(), MAX_LOOPS);
    }
}
