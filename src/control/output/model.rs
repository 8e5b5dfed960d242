//! Logs over any sequence of writes, cuts, kills and clocks: what is known of the times is true.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use crate::control::output::bounded_log::{self, Bound, BoundedLog, LogTarget};
use crate::control::output::place::Place;
use crate::control::output::read::OpenLog;
use crate::control::output::times::known::{self, Came};
use crate::control::output::times::writer::{self, GRAIN, Times};

/// When a line was written by the container, and when it was read, as the clock was.
struct Line {
    written: u64,
    read: Option<u64>,
}

struct World {
    dir: TempDir,
    bound: Bound,
    log: BoundedLog,
    random: u32,
    clock: u64,
    lines: Vec<Line>,
    /// What is in the pipe, and how many lines of it were read before.
    pipe: String,
    /// Whether times may be missing.
    has_lost_times: bool,
}

impl World {
    fn new(seed: u32, bound: Bound) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Place::of(dir.path()).create(0).unwrap();
        let log = reader(&dir, bound);
        let (lines, pipe) = (Vec::new(), String::new());
        Self { dir, bound, log, random: seed, clock: 1_000_000, lines, pipe, has_lost_times: false }
    }

    fn below(&mut self, below: u32) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 8) % below
    }

    fn path(&self) -> PathBuf {
        path(&self.dir)
    }

    fn step(&mut self) {
        match self.below(24) {
            0..=6 => self.write(),
            7..=13 => self.read(),
            14..=17 => self.clock += u64::from(self.below(3) * self.below(200)),
            18 if self.pipe.is_empty() => self.set_clock(),
            19 => self.log = reader(&self.dir, self.bound),
            20 => self.kill_before_output(),
            21 => self.kill_in_entry(),
            22 if self.below(8) == 0 => self.forget(),
            23 if self.below(4) == 0 => self.manage_log(),
            _ => {}
        }
    }

    /// The container writes some lines, perhaps without the end of the last one.
    fn write(&mut self) {
        for _ in 0..=self.below(4) {
            if !self.pipe.is_empty() && !self.pipe.ends_with('\n') || self.ends_within_a_line() {
                self.pipe.push('\n');
            }
            let length = self.below(60) as usize;
            write!(self.pipe, "#{:06}:{}", self.lines.len(), "x".repeat(length)).unwrap();
            self.lines.push(Line { written: self.clock, read: None });
            if self.below(5) > 0 {
                self.pipe.push('\n');
            }
        }
    }

    fn ends_within_a_line(&self) -> bool {
        self.pipe.is_empty() && !fs::read(self.path()).unwrap_or_default().ends_with(b"\n")
    }

    /// The reader reads some of what is there.
    fn read(&mut self) {
        let count = self.below(300) as usize;
        let part: String = self.pipe.drain(..count.min(self.pipe.len())).collect();
        for at in part.match_indices('#').map(|(at, _)| at) {
            let rest = format!("{}{}", &part[at..], self.pipe);
            let number: usize = rest[1..7].parse().unwrap();
            self.lines[number].read = Some(self.clock);
        }
        if !part.is_empty() {
            self.log.write_at(part.as_bytes(), Some(self.clock));
        }
    }

    fn set_clock(&mut self) {
        self.clock = match self.below(4) {
            0 => self.clock.saturating_sub(u64::from(self.below(300))),
            1 => self.clock.saturating_sub(3_600_000),
            2 => self.clock + 3_600_000,
            _ => self.clock / 2,
        };
    }

    /// The reader is killed when it has written an entry, and the output is lost.
    fn kill_before_output(&mut self) {
        use std::os::unix::fs::MetadataExt;
        if let Ok(log) = fs::metadata(self.path()) {
            times(&self.dir).before(log.ino(), log.len(), Some(self.clock));
        }
        self.log = reader(&self.dir, self.bound);
    }

    /// The reader is killed while it writes an entry.
    fn kill_in_entry(&mut self) {
        let path = self.dir.path().join(writer::TIMES);
        if let Ok(mut times) = fs::OpenOptions::new().append(true).open(path) {
            times.write_all([&[0_u8][..], &[0, 5], &[0, 5, 0x80], &[7]][self.random as usize % 4]).unwrap();
        }
        self.log = reader(&self.dir, self.bound);
    }

    /// Times cannot be written, or can be again.
    fn forget(&mut self) {
        let path = self.dir.path().join(writer::TIMES);
        if path.is_dir() {
            fs::remove_dir(path).unwrap();
        } else {
            let _none = fs::remove_file(&path);
            fs::create_dir(path).unwrap();
        }
        self.has_lost_times = true;
    }

    /// What an administrator or logrotate does.
    fn manage_log(&mut self) {
        let path = self.path();
        match self.below(4) {
            0 => drop(fs::remove_file(path)),
            1 => drop(fs::rename(&path, path.with_extension("old"))),
            2 => drop(File::options().write(true).open(path).map(|log| log.set_len(0))),
            _ => {
                let mut log = File::options().append(true).create(true).open(path).unwrap();
                log.write_all(b"by hand\n").unwrap();
                self.has_lost_times = true;
            }
        }
    }

    fn check(&mut self) {
        let older = bounded_log::older(&self.path());
        let older = matches!(self.bound, Bound::TwoFiles(_)).then_some(older);
        let start = Place::of(self.dir.path()).lock().unwrap().read();
        let Ok(log) = OpenLog::open(&self.path(), older.as_deref(), start) else { return };
        let all = known::all(&log, &writer::read(self.dir.path()));
        let bytes = log.part(None, u64::MAX).unwrap().bytes;
        let came = known::between(&all, start, log.end());
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let begins: Vec<usize> = [0].into_iter().chain(ends).filter(|at| *at < bytes.len()).collect();
        let time = |at: &usize| time_of(&came, start + *at as u64);
        let mut last = None;
        for begin in &begins {
            let number = std::str::from_utf8(&bytes[*begin..]).unwrap().get(1..7);
            let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) else { continue };
            assert!(last < Some(number), "{number} after {last:?}");
            last = Some(number);
            let line = &self.lines[number];
            match (time(begin), line.read) {
                (Some(time), Some(read)) => {
                    assert!(
                        (line.written.saturating_sub(GRAIN)..=read).contains(&time),
                        "{number}: {time} is not between {} and {read}",
                        line.written
                    );
                }
                (None, _) => assert!(self.has_lost_times, "{number} has no time"),
                (_, None) => panic!("{number} was not read"),
            }
        }
        for _ in 0..3 {
            let since = match self.below(4) {
                0 => u64::from(self.below(4_000_000)),
                _ => self.clock.saturating_sub(u64::from(self.below(400))),
            };
            let expected = begins.iter().find(|begin| time(begin) >= Some(since)).copied();
            let found = known::first_since(&log, &came, since).unwrap();
            assert_eq!(found - start, expected.unwrap_or(bytes.len()) as u64, "since {since}");
        }
    }
}

fn time_of(came: &[Came], place: u64) -> Option<u64> {
    came.iter().rfind(|came| came.place <= place)?.time
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("a.log")
}

fn times(dir: &TempDir) -> Times {
    Times::of(Arc::new(File::open(dir.path()).unwrap()))
}

fn reader(dir: &TempDir, bound: Bound) -> BoundedLog {
    BoundedLog::new(LogTarget { path: path(dir), bound }, Place::of(dir.path()), times(dir))
}

#[test]
fn whatever_happens_a_line_has_the_time_when_it_came_or_none() {
    for seed in 0..25 {
        for bound in [Bound::TwoFiles(3000), Bound::OneFile(2000), Bound::Unlimited] {
            let mut world = World::new(seed, bound);
            for _ in 0..300 {
                world.step();
                world.check();
            }
        }
    }
}

/// What another program does to a log with the first file or both.
fn take_away(path: &std::path::Path, how: u32) {
    let older = bounded_log::older(path);
    match how {
        0 => drop(fs::remove_file(path)),
        // As logrotate does; the second has the name of the older file of a log that has two.
        1 => drop(fs::rename(path, path.with_extension("old"))),
        2 => drop(fs::rename(path, older)),
        3 => {
            fs::rename(path, path.with_extension("old")).unwrap();
            File::create_new(path).unwrap();
        }
        4 => drop(File::options().write(true).open(path).map(|log| log.set_len(0))),
        5 => drop(fs::remove_file(older)),
        _ => {}
    }
}

#[test]
fn those_who_follow_a_log_get_all_once_whatever_takes_it_away() {
    for bound in [Bound::TwoFiles(400), Bound::OneFile(400), Bound::Unlimited] {
        for how in 0..6 {
            let dir = tempfile::tempdir().unwrap();
            Place::of(dir.path()).create(7).unwrap();
            let (path, mut log) = (path(&dir), reader(&dir, bound));
            let older = bounded_log::older(&path);
            let older = matches!(bound, Bound::TwoFiles(_)).then_some(&*older);
            let (mut place, mut written, mut followed) = (0, Vec::new(), Vec::new());
            let mut look = |place: &mut u64| {
                let start = Place::of(dir.path()).lock().unwrap().read();
                let Ok(log) = OpenLog::open(&path, older, start) else { return };
                let part = log.part(Some(*place), u64::MAX).unwrap();
                *place = part.next.max(*place);
                followed.extend(part.bytes);
            };
            for round in 0..60_u64 {
                let line = format!("line {round}\n");
                log.write_at(line.as_bytes(), Some(round));
                written.extend(line.bytes());
                look(&mut place);
                if round % 7 == 6 {
                    take_away(&path, how);
                    // Also one that looks just now.
                    look(&mut place);
                }
            }
            assert_eq!(
                String::from_utf8(followed).unwrap(),
                String::from_utf8(written).unwrap(),
                "{bound:?} {how}"
            );
        }
    }
}
