//! How many minidumps of crashes a container may have in a time: one that crashes in a loop must not keep the box busy.
//!
//! The times are kept in a small file for each container beside the records, which a reboot empties.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::error::{Result, Tried};
use crate::harvest::name::fnv1a;
use crate::host;

/// How many dumps a container may have in [`WINDOW`].
pub const MAX_DUMPS: usize = 5;
/// The time in which they are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// What the files begin with. The records do not.
const PREFIX: &str = "crashes-";
/// The most bytes of such a file that are read.
const MAX_TEXT: u64 = 4096;

/// Takes one dump off the budget of container `id`; false when none is left.
///
/// # Errors
/// The kernel's.
pub fn take(state_dir: &Path, id: &str) -> Result<bool> {
    host::make_dir(state_dir, 0o700)?;
    remove_old(state_dir);
    let path = state_dir.join(format!("{PREFIX}{:016x}", fnv1a(id.as_bytes())));
    let what = || format!("cannot count crashes in {}", path.display());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).tried(what)?.into();
    rustix::fs::flock(&file, FlockOperation::LockExclusive).tried(what)?;
    let mut text = String::new();
    (&mut file).take(MAX_TEXT).read_to_string(&mut text).tried(what)?;
    let Some(times) = with_now(&text, seconds()) else { return Ok(false) };
    file.rewind()
        .and_then(|()| file.set_len(0))
        .and_then(|()| file.write_all(times.as_bytes()))
        .tried(what)?;
    Ok(true)
}

/// The times in `text` that count, and now; `None` when there are too many.
fn with_now(text: &str, now: u64) -> Option<String> {
    let counts = |time: &u64| *time <= now && now - time < WINDOW.as_secs();
    let mut times: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).filter(counts).collect();
    if times.len() >= MAX_DUMPS {
        return None;
    }
    times.push(now);
    Some(times.iter().map(|time| format!("{time}\n")).collect())
}

/// Seconds since 1970; a clock that jumps costs at most one budget.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Removes the files of containers that have not crashed for long.
fn remove_old(state_dir: &Path) {
    for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_ours && age().is_some_and(|age| age > WINDOW * 10) {
            // The next crash tries again.
            let _stays = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minute_counts_and_only_so_many_dumps() {
        let mut text = String::new();
        for time in 0..MAX_DUMPS as u64 {
            text = with_now(&text, 1000 + time).unwrap();
        }
        assert_eq!(with_now(&text, 1010), None);
        assert_eq!(with_now(&text, 1060).unwrap().lines().count(), MAX_DUMPS);
        assert_eq!(with_now("junk\n99999999999999999999\n5000\n", 1000).unwrap(), "1000\n");
    }
}
