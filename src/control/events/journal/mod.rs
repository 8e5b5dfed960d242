//! The journal: the events of the last time, each with its number, for clients that come back and say which one they saw
//! last. It outlives the daemon, and is gone after a reboot.
//!
//! An event counts as sent once it is in the journal. The next daemon knows by it what of its predecessor's events was sent,
//! and under which number, so that none gets a second one.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::control::events::numbers::{Beginning, MAX_NUMBER, Numbers, now};
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;

/// What the names of the two files begin with, in the state directory. No container has such an id.
pub(crate) const JOURNAL: &str = "+events";
/// The file before the current one.
const OLDER: &str = "+events.1";
/// How long a file may become, in bytes: about 6000 events. All that happens while events are kept for clients to come back
/// ([`REPLAY_TIME`](crate::control::events::replay::REPLAY_TIME)) must fit, or what is sent again is not known as such.
const MAX_LENGTH: u64 = 1024 * 1024;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Line {
    number: u64,
    /// When the container was started whose event this is, as in its saved state: what an attempt to run it is known by.
    attempt: u64,
    /// When it was sent, in milliseconds since 1970.
    #[serde(default)]
    time: Option<u64>,
    event: Event,
}

/// An event that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// Its number.
    pub number: u64,
    /// When it was sent, in milliseconds since 1970 by the clock of that time; `None` of an earlier version of the daemon.
    pub time: Option<u64>,
    /// What happened.
    pub event: Event,
}

/// The journal.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    /// Whether a line may be there that a kill or a full disk has cut.
    cut: bool,
    numbers: Numbers,
    /// What an earlier daemon has sent: attempt and event, in JSON, with the number.
    earlier: HashMap<(u64, String), u64>,
    /// The last state that an earlier daemon has announced of each attempt.
    states: HashMap<(u64, ContainerId), State>,
}

/// What came after an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// The events, each with its number, in the order in which they were sent.
    pub events: Vec<(u64, Event)>,
    /// Whether those are all.
    pub complete: bool,
}

impl Journal {
    /// The journal in the state directory.
    pub(crate) fn open(dir: PathBuf) -> Self {
        Self::open_at(dir, Beginning::now())
    }

    fn open_at(dir: PathBuf, beginning: Beginning) -> Self {
        let lines: Vec<Line> = lines(&dir).collect();
        let numbers = Numbers::open(&dir, lines.last().map(|last| last.number), beginning);
        let json = |event: &Event| serde_json::to_string(event).unwrap_or_default();
        let (mut earlier, mut states) = (HashMap::new(), HashMap::new());
        for Line { number, attempt, event, .. } in lines {
            match event {
                // A container may be in one state several times.
                Event::StateChanged { id, state, .. } => drop(states.insert((attempt, id), state)),
                event => drop(earlier.insert((attempt, json(&event)), number)),
            }
        }
        Self { dir, cut: true, numbers, earlier, states }
    }

    /// The number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.numbers.next()
    }

    /// The number under which an earlier daemon has sent an event of this attempt.
    pub(crate) fn sent_earlier(&self, attempt: u64, event: &Event) -> Option<u64> {
        let json = serde_json::to_string(event).ok()?;
        self.earlier.get(&(attempt, json)).copied()
    }

    /// The last state that an earlier daemon has announced of a container, in this attempt to run it.
    pub(crate) fn last_state(&self, attempt: u64, id: &ContainerId) -> Option<State> {
        self.states.get(&(attempt, id.clone())).copied()
    }

    /// Forgets what earlier daemons sent: nothing of theirs is left to send.
    pub(crate) fn forget_earlier(&mut self) {
        (self.earlier, self.states) = (HashMap::new(), HashMap::new());
    }

    /// Writes an event down, which is sent from now on, and gives its number. A disk that is full costs clients that come
    /// back the event, and they learn that.
    pub(crate) fn add(&mut self, attempt: u64, event: &Event) -> u64 {
        // In this order: a daemon that is killed in between has sent the event, as its line says. Without the line, the number
        // would be missing for ever, and clients that come back would take an event for lost.
        self.write(attempt, event);
        self.numbers.take()
    }

    /// Writes the line of an event with the next number.
    fn write(&mut self, attempt: u64, event: &Event) {
        let number = self.next();
        let line = Line { number, attempt, time: now(), event: event.clone() };
        let text = serde_json::to_string(&line).map_err(std::io::Error::from);
        let written = text.and_then(|text| self.append(&text));
        if let Err(error) = &written {
            log::warn!("event {number} is not kept for clients that come back: {error}");
        }
        self.cut = written.is_err();
    }

    fn append(&self, line: &str) -> std::io::Result<()> {
        let path = self.dir.join(JOURNAL);
        if path.metadata().is_ok_and(|file| file.len() >= MAX_LENGTH) {
            std::fs::rename(&path, self.dir.join(OLDER))?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        let end = if self.cut { "\n" } else { "" };
        file.write_all(format!("{end}{line}\n").as_bytes())
    }

    /// All events that are still known, in the order in which they were sent. The files are opened at once, and read as it is
    /// gone through: that needs no lock.
    pub(crate) fn past(&self) -> impl Iterator<Item = PastEvent> + Send + use<> {
        lines(&self.dir).map(|Line { number, time, event, .. }| PastEvent { number, time, event })
    }

    #[cfg(test)]
    fn since(&self, number: u64) -> Since {
        Since::read(self.past(), number, self.next())
    }
}

impl Since {
    /// What came after the event with this number, of a journal whose next event had the number `next` when it was opened.
    /// All there is if that number was not given out since the last reboot.
    pub(crate) fn read(past: impl Iterator<Item = PastEvent>, number: u64, next: u64) -> Self {
        let is_known = number < next;
        let wanted = past.filter(|past| past.number < next && (!is_known || past.number > number));
        let events: Vec<(u64, Event)> = wanted.map(|past| (past.number, past.event)).collect();
        // One that could not be written leaves a gap.
        let follows = |(at, (found, _)): (u64, &(u64, Event))| found.checked_sub(number) == Some(at);
        let all = (1..).zip(&events).all(follows);
        let last = events.last().map_or(number, |(number, _)| *number);
        let complete = is_known && all && last.saturating_add(1) == next;
        Self { events, complete }
    }
}

/// All lines of both files. One that was cut by a full disk or the end of a daemon is left out, and so is one whose number
/// does not grow: it was put there by somebody else.
fn lines(dir: &Path) -> impl Iterator<Item = Line> + Send + use<> {
    let files = [OLDER, JOURNAL].map(|name| File::open(dir.join(name)).ok()).into_iter().flatten();
    let lines = files.flat_map(|file| BufReader::new(file).split(b'\n').map_while(Result::ok));
    let mut last = None;
    lines.filter_map(move |line| {
        let line: Line = serde_json::from_slice(&line).ok()?;
        let follows = last.is_none_or(|last| line.number > last) && line.number <= MAX_NUMBER;
        follows.then(|| last = Some(line.number)).map(|()| line)
    })
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::model::state::ExitStatus;

    fn event(descriptor: i32) -> Event {
        Event::Stopped { id: "a".parse().unwrap(), descriptor, exit: ExitStatus::Code(3) }
    }

    fn numbers(since: &Since) -> Vec<u64> {
        since.events.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn every_number_is_given_out_once_and_what_follows_it_is_kept_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path().to_owned());
        let first = journal.next();
        assert!(first > 1_600_000_000_000, "a time");
        assert_eq!(journal.since(first - 1), Since { events: Vec::new(), complete: true });
        for descriptor in 0..10 {
            assert_eq!(journal.add(7, &event(descriptor)), first + u64::try_from(descriptor).unwrap());
        }
        drop(journal);
        let mut journal = Journal::open(dir.path().to_owned());
        assert_eq!(journal.sent_earlier(7, &event(4)), Some(first + 4));
        assert_eq!(journal.sent_earlier(8, &event(4)), None, "another attempt");
        assert_eq!(journal.add(8, &event(4)), first + 10);
        let since = journal.since(first + 7);
        assert_eq!((numbers(&since), since.complete), (vec![first + 8, first + 9, first + 10], true));
        assert_eq!(since.events[2].1, event(4));
        assert!(journal.since(first + 10).events.is_empty());
        for unknown in [0, 5, first - 2, first + 11, u64::MAX] {
            let since = journal.since(unknown);
            assert_eq!((since.events.len(), since.complete), (11, false), "{unknown}");
        }
        journal.forget_earlier();
        assert_eq!(journal.sent_earlier(7, &event(4)), None);
    }

    #[test]
    fn it_is_bounded_and_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(dir.path().to_owned());
        let first = journal.next();
        for descriptor in 0..40_000 {
            journal.add(7, &event(descriptor));
        }
        let size: u64 =
            [JOURNAL, OLDER].map(|name| dir.path().join(name).metadata().unwrap().len()).iter().sum();
        assert!(size > MAX_LENGTH && size < MAX_LENGTH * 2 + 1000, "{size}");
        assert!(!journal.since(first).complete);
        let since = journal.since(first + 39_900);
        assert_eq!((since.events.len(), since.complete), (99, true));
        // Half a line, of a disk that was full.
        let mut file = OpenOptions::new().append(true).open(dir.path().join(JOURNAL)).unwrap();
        file.write_all(b"{\"number\":").unwrap();
        drop(file);
        std::fs::remove_file(dir.path().join(OLDER)).unwrap();
        std::fs::create_dir(dir.path().join(OLDER)).unwrap();
        let journal = Journal::open(dir.path().to_owned());
        assert_eq!(journal.next(), first + 40_000);
    }

    #[test]
    fn lines_whose_numbers_do_not_grow_are_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let line = |number: u64| {
            serde_json::to_string(&Line { number, attempt: 7, time: None, event: event(1) }).unwrap() + "\n"
        };
        let text: String = [5, 6, 3, u64::MAX, MAX_NUMBER + 1, 6, 7].map(line).concat();
        std::fs::write(dir.path().join(JOURNAL), text).unwrap();
        let mut journal = Journal::open(dir.path().to_owned());
        let found: Vec<u64> = journal.past().map(|event| event.number).collect();
        assert_eq!(found, [5, 6, 7]);
        assert!((8..=MAX_NUMBER).contains(&journal.add(7, &event(2))));
    }
}
