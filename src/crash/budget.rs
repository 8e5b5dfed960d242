//! How many minidumps of crashes a container may have in a time where the file system of its destination keeps no marks, so
//! that dumps of a crash loop cannot be thinned out there: the first ones are kept.
//!
//! The times are kept in a small file for each container beside the records, which a reboot empties.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, Mode, OFlags};

use crate::error::{Result, Tried};
use crate::harvest::name::fnv1a;
use crate::host;
use crate::settings::burst::Burst;

/// What the files begin with. The records do not.
const PREFIX: &str = "crashes-";
/// The most bytes of such a file that are read.
const MAX_TEXT: u64 = 64 << 10;

/// Takes one dump off the budget of container `id`. When none is left, gives how many were not kept by now.
///
/// # Errors
/// The kernel's.
pub fn take(state_dir: &Path, id: &str, burst: Burst) -> Result<Option<u64>> {
    host::make_dir(state_dir, 0o700)?;
    remove_old(state_dir, burst);
    let path = state_dir.join(format!("{PREFIX}{:016x}", fnv1a(id.as_bytes())));
    let what = || format!("cannot count crashes in {}", path.display());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file: File = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).tried(what)?.into();
    rustix::fs::flock(&file, FlockOperation::LockExclusive).tried(what)?;
    let mut text = String::new();
    (&mut file).take(MAX_TEXT).read_to_string(&mut text).tried(what)?;
    let (text, not_kept) = with_now(&text, seconds(), burst);
    file.rewind()
        .and_then(|()| file.set_len(0))
        .and_then(|()| file.write_all(text.as_bytes()))
        .tried(what)?;
    Ok(not_kept)
}

/// The times in `text` that count, and now, unless there are too many: the crash is counted in the line `-COUNT` then.
fn with_now(text: &str, now: u64, burst: Burst) -> (String, Option<u64>) {
    let counts = |time: &u64| *time <= now && now - time < burst.seconds;
    let mut times: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).filter(counts).collect();
    let before = text.lines().find_map(|line| line.strip_prefix('-')?.parse::<u64>().ok()).unwrap_or(0);
    let is_within = u64::try_from(times.len()).is_ok_and(|count| count < burst.count);
    if is_within {
        times.push(now);
    }
    let not_kept = if is_within { before } else { before.saturating_add(1) };
    let text = times.iter().map(|time| format!("{time}\n")).collect::<String>() + &format!("-{not_kept}\n");
    (text, (!is_within).then_some(not_kept))
}

/// Seconds since 1970; a clock that jumps costs at most one budget.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Removes the files of containers that have not crashed for long.
fn remove_old(state_dir: &Path, burst: Burst) {
    for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_ours && age().is_some_and(|age| age.as_secs() / 10 > burst.seconds) {
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
        let burst = Burst::OF_CORES;
        let mut text = String::new();
        for time in 0..5 {
            let (next, not_kept) = with_now(&text, 1000 + time, burst);
            assert_eq!(not_kept, None);
            text = next;
        }
        for count in 1..=42 {
            let (next, not_kept) = with_now(&text, 1010, burst);
            assert_eq!(not_kept, Some(count));
            text = next;
        }
        let (text, not_kept) = with_now(&text, 1060, burst);
        assert_eq!((text.lines().count(), not_kept), (5 + 1, None), "the first has its minute behind it");
        assert_eq!(with_now(&text, 1060, burst).1, Some(43));
        // A clock that jumps back, and what is not a time.
        assert_eq!(with_now(&text, 900, burst).1, None);
        assert_eq!(with_now("junk\n99999999999999999999\n5000\n-x\n", 1000, burst).0, "1000\n-0\n");
    }
}
