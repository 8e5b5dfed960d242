//! A journal over full disks, kills and reboots, with clients that come back at every moment.

use tempfile::TempDir;

use super::Journal;
use crate::control::events::numbers::{self, Beginning};
use crate::control::model::event::Event;
use crate::control::model::state::ExitStatus;

/// A state directory and what clients know: every event that was sent, with its number.
struct World {
    dir: TempDir,
    boot: u32,
    sent: Vec<(u64, Event)>,
    /// How many were sent when something went wrong last that a client must learn of: a line that found no room, or numbers
    /// that could not be kept.
    trouble: usize,
}

impl World {
    /// A daemon that starts in a boot whose clock begins where that of the one before did.
    fn daemon(&self, uptime: u64) -> Journal {
        let beginning = Beginning { clock: uptime, uptime, boot: Some(format!("boot-{}", self.boot)) };
        Journal::open_at(self.dir.path().to_owned(), beginning)
    }

    fn event(&self) -> Event {
        let descriptor = i32::try_from(self.sent.len()).unwrap();
        Event::Stopped { id: "a".parse().unwrap(), descriptor, exit: ExitStatus::Code(3) }
    }

    /// Sends an event, of which the journal gets no line when the disk is full.
    fn send(&mut self, journal: &mut Journal, disk_is_full: bool) {
        let event = self.event();
        let number = if disk_is_full { journal.numbers.take() } else { journal.add(7, &event) };
        self.sent.push((number, event));
        if disk_is_full {
            self.trouble = self.sent.len();
        }
    }

    /// A daemon is killed while it sends an event: no subscriber got it, but it counts as sent.
    fn send_killed(&mut self, journal: &mut Journal) {
        let event = self.event();
        let number = journal.next();
        journal.write(7, &event);
        self.sent.push((number, event));
    }

    /// Makes it impossible to keep the next number, or possible again.
    fn set_forgetful(&self, forgetful: bool) {
        let path = self.dir.path().join(numbers::FILE);
        if forgetful && !path.is_dir() {
            let _none = std::fs::remove_file(&path);
            std::fs::create_dir(path).unwrap();
        } else if !forgetful && path.is_dir() {
            std::fs::remove_dir(path).unwrap();
        }
    }

    /// What each client gets that saw one of the events last: what followed it, or it learns that some is missing.
    fn check(&self, journal: &Journal, since_boot: usize) {
        for (at, (number, _)) in self.sent.iter().enumerate() {
            let others = self.sent.iter().filter(|(other, _)| other == number).count();
            assert_eq!(others, 1, "{number} was given out twice: {:?}", self.sent);
            let since = journal.since(*number);
            let truth = &self.sent[at + 1..];
            assert!(since.events.iter().all(|event| self.sent.contains(event)));
            // All that is known is new to a client of before a reboot.
            assert!(at >= since_boot || since.events.len() == journal.past().count(), "{number}: {since:?}");
            assert!(!since.complete || (at >= since_boot && since.events == truth), "{number}: {since:?}");
            let was_fine = at >= since_boot.max(self.trouble);
            assert!(since.complete || !was_fine, "a false alarm for {number}: {since:?}");
        }
    }
}

#[test]
fn full_disks_kills_and_reboots_give_no_number_twice() {
    for seed in 0..25 {
        let mut state: u64 = seed;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut world = World { dir: tempfile::tempdir().unwrap(), boot: 0, sent: Vec::new(), trouble: 0 };
        let (mut uptime, mut since_boot, mut disk_is_full) = (20_000, 0, false);
        let mut journal = world.daemon(uptime);
        for _ in 0..60 {
            uptime += 1 + random() % 3;
            match random() % 15 {
                0 => disk_is_full = !disk_is_full,
                1 => world.set_forgetful(random() % 2 == 0),
                kind @ (2 | 4) => {
                    if kind == 4 && !disk_is_full {
                        world.send_killed(&mut journal);
                    }
                    drop(journal);
                    if !world.dir.path().join(numbers::FILE).is_file() {
                        world.trouble = world.sent.len();
                    }
                    journal = world.daemon(uptime);
                }
                3 => {
                    drop(journal);
                    (world.dir, world.boot) = (tempfile::tempdir().unwrap(), world.boot + 1);
                    (uptime, since_boot) = (20_000, world.sent.len());
                    journal = world.daemon(uptime);
                }
                _ => world.send(&mut journal, disk_is_full),
            }
            world.check(&journal, since_boot);
        }
    }
}
