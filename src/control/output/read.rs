//! Reads a log from a place in it.
//!
//! A place counts the bytes that the container ever wrote, as far as this daemon knows: cutting a log moves none.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};

/// Of how many logs it is known what was cut.
const MAX_LOGS: usize = 1024;

/// A part of a container's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPart {
    /// What was written.
    pub bytes: Vec<u8>,
    /// The place of what follows, for the next call to the same daemon.
    pub next: u64,
}

/// How many bytes were cut off each log.
#[derive(Debug, Default)]
pub(crate) struct Trimmed(Mutex<VecDeque<(PathBuf, u64)>>);

impl Trimmed {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(PathBuf, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes of a log are gone.
    pub(crate) fn of(&self, path: &Path) -> u64 {
        self.lock().iter().find(|(log, _)| log == path).map_or(0, |(_, bytes)| *bytes)
    }

    /// So many bytes of a log are gone.
    pub(crate) fn set(&self, path: &Path, total: u64) {
        let mut logs = self.lock();
        logs.retain(|(log, _)| log != path);
        logs.truncate(MAX_LOGS - 1);
        logs.push_front((path.to_owned(), total));
    }
}

/// Reads at most `bytes` of a log and, before it, the `older` half if there is one: from the place `from`, or else the
/// last ones. `gone` bytes were trimmed.
///
/// # Errors
/// The kernel's.
pub(crate) fn read(
    path: &Path,
    older: Option<&Path>,
    gone: u64,
    from: Option<u64>,
    bytes: u64,
) -> Result<LogPart> {
    let newer = open(path)?;
    let newer_length = newer.metadata()?.len();
    let older = older.and_then(|older| open(older).ok());
    let older_length = older.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len());
    let length = older_length + newer_length;
    let end = gone.saturating_add(length);
    let start = from.unwrap_or(end.saturating_sub(bytes)).clamp(gone, end) - gone;
    let mut part = Vec::new();
    if let Some(older) = older.filter(|_| start < older_length) {
        copy(older, start, bytes.min(older_length - start), &mut part)?;
    }
    let (place, room) = (start.saturating_sub(older_length), bytes - part.len() as u64);
    // Not what is written right now: the end was measured.
    copy(newer, place, room.min(newer_length.saturating_sub(place)), &mut part)?;
    Ok(LogPart { next: gone + start + part.len() as u64, bytes: part })
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn copy(mut file: File, from: u64, bytes: u64, to: &mut Vec<u8>) -> Result<()> {
    file.seek(SeekFrom::Start(from))?;
    file.take(bytes).read_to_end(to).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_stays_when_the_log_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (log, older) = (dir.path().join("log"), dir.path().join("log.1"));
        std::fs::write(&log, "fghij").unwrap();
        std::fs::write(&older, "cde").unwrap();
        let cases: [(Option<u64>, u64, &str, u64); 10] = [
            (None, 4, "ghij", 10),
            (None, 100, "cdefghij", 10),
            (None, 0, "", 10),
            (Some(0), 3, "cde", 5),
            (Some(2), 2, "cd", 4),
            (Some(4), 3, "efg", 7),
            (Some(5), 100, "fghij", 10),
            (Some(10), 100, "", 10),
            (Some(u64::MAX), 100, "", 10),
            (Some(9), 1, "j", 10),
        ];
        for (from, bytes, text, next) in cases {
            let part = read(&log, Some(&older), 2, from, bytes).unwrap();
            assert_eq!((&*part.bytes, part.next), (text.as_bytes(), next), "{from:?} {bytes}");
        }
        assert_eq!(read(&log, None, 0, Some(3), 100).unwrap().bytes, b"ij");
        assert!(read(&older.join("x"), None, 0, None, 1).is_err());
    }
}
