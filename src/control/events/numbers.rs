//! The numbers of events: each is given out once, whatever becomes of the daemon, its disk and the clock.
//!
//! Which one comes next lies in a file that is written in place before an event is sent with the number. That works on a full disk, too,
//! where the journal gets no line. When it does not work, the file goes, and the next daemon begins with other numbers.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::control::clock::boottime;
use crate::harvest::name::fnv1a;
use crate::proc::boot::boot_id;

/// The largest number, which a number of JSON in any language can be.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;
/// The file's name, in the state directory. No container has such an id.
pub(super) const FILE: &str = "+events.next";
/// More bytes than the file has.
const MAX_TEXT: u64 = 128;
/// A clock that says less, in milliseconds since 1970, was never set: the end of 2023.
const IS_SET: u64 = 1_700_000_000_000;
/// How many numbers there are for a millisecond.
const PER_MILLISECOND: u64 = 1 << 11;

/// What numbers begin with: when, and in which boot of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// Milliseconds since 1970, by a clock that may be wrong.
    pub(crate) clock: u64,
    /// Milliseconds since the machine booted.
    pub(crate) uptime: u64,
    /// The id of the boot; `None` when it is not known.
    pub(crate) boot: Option<String>,
}

impl Beginning {
    /// Of a daemon that starts now.
    pub(crate) fn now() -> Self {
        Self { clock: now().unwrap_or(0), uptime: boottime() / 1_000_000, boot: boot_id() }
    }

    /// A number that was not given out before, as far as the clock and the boot tell. A boot in the same millisecond as an
    /// earlier one, by a clock that went back, has others: its id sees to that.
    fn number(&self) -> u64 {
        let of_boot = fnv1a(self.boot.as_deref().unwrap_or_default().as_bytes());
        if self.clock < IS_SET {
            // Below those of a clock that is set.
            return (1 << 45) + of_boot % (1 << 51) + self.uptime.saturating_mul(PER_MILLISECOND) % (1 << 50);
        }
        let milliseconds = self.clock.saturating_add(of_boot % (1 << 16));
        milliseconds.saturating_mul(PER_MILLISECOND).min(MAX_NUMBER - (1 << 40))
    }
}

/// The numbers of this boot.
#[derive(Debug)]
pub(crate) struct Numbers {
    path: PathBuf,
    boot: Option<String>,
    /// The next one.
    next: u64,
}

impl Numbers {
    /// Those of the state directory, behind `last`.
    pub(crate) fn open(dir: &Path, last: Option<u64>, beginning: Beginning) -> Self {
        let path = dir.join(FILE);
        let behind = last.map_or(0, |last| last + 1);
        let next = kept(&path, beginning.boot.as_deref()).unwrap_or_else(|| beginning.number());
        Self { path, boot: beginning.boot, next: next.max(behind) }
    }

    /// The number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Gives out the next number.
    pub(crate) fn take(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        if let Err(error) = self.keep() {
            log::debug!("cannot keep the number of the next event in {}: {error}", self.path.display());
            // What it says would be wrong. If it cannot be removed either, it is a directory or its disk is read-only.
            let _stays = std::fs::remove_file(&self.path);
        }
        number
    }

    fn keep(&self) -> std::io::Result<()> {
        let boot = self.boot.as_deref().unwrap_or("-");
        let text = format!("{:016} {boot}\n", self.next);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        file.write_all_at(text.as_bytes(), 0)
    }
}

/// The next number that the file has for this boot.
fn kept(path: &Path, boot: Option<&str>) -> Option<u64> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_TEXT).read_to_string(&mut text).ok()?;
    let mut words = text.lines().next()?.split(' ');
    let next = words.next()?.parse().ok()?;
    (words.next() == Some(boot?) && words.next().is_none() && next <= MAX_NUMBER).then_some(next)
}

/// The time in milliseconds since 1970.
pub(crate) fn now() -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(now.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(clock: u64, boot: &str) -> Beginning {
        Beginning { clock, uptime: 20_000, boot: Some(boot.to_owned()) }
    }

    #[test]
    fn a_boot_has_numbers_of_its_own_whatever_its_clock_says() {
        let today = 1_795_000_000_000;
        let numbers = |clock| [1, 2, 3].map(|boot| beginning(clock, &format!("boot {boot}")).number());
        for clock in [0, 30_000, today] {
            let mut of_boots = numbers(clock);
            of_boots.sort_unstable();
            assert!(of_boots.windows(2).all(|two| two[1] - two[0] > 100_000), "{clock}: {of_boots:?}");
        }
        let (unset, set) = (numbers(0), numbers(today));
        assert!(unset.iter().all(|unset| set.iter().all(|set| unset < set)), "{unset:?} {set:?}");
        assert!(set.iter().all(|set| *set < MAX_NUMBER), "{set:?}");
        // The same boot, later.
        assert!(beginning(today + 100, "boot 1").number() >= set[0] + 100 * PER_MILLISECOND);
        assert!(Beginning { uptime: 20_100, ..beginning(0, "boot 1") }.number() > unset[0]);
        assert!(beginning(u64::MAX, "boot 1").number() < MAX_NUMBER);
    }

    #[test]
    fn a_file_that_is_not_of_this_boot_or_damaged_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let today = || beginning(1_795_000_000_000, "b");
        let open = |boot: &str| {
            Numbers::open(dir.path(), None, Beginning { boot: Some(boot.to_owned()), ..today() })
        };
        let mut numbers = open("b");
        let first = numbers.take();
        assert_eq!(numbers.take(), first + 1);
        assert_eq!(open("b").next(), first + 2);
        assert_ne!(open("c").next(), first + 2);
        let path = dir.path().join(FILE);
        for text in ["", "1", "1 c", "x b", "1 b c", "99999999999999999 b", "1 b\u{fffd}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(open("b").next(), today().number(), "{text:?}");
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(open("b").next(), today().number());
    }
}
