//! Reads a log from a place in it.
//!
//! A place counts the bytes that the container ever wrote, as far as this daemon knows: cutting a log moves none.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
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
    /// The place behind all that there is.
    pub end: u64,
    /// Whether it begins with the first line that there is, and that has lost its beginning.
    pub is_cut: bool,
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

/// A log that is open to be read: its older half, if there is one, and its newer one.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pieces: Vec<Piece>,
    start: u64,
    is_cut: bool,
}

/// One file of a log.
#[derive(Debug)]
pub(crate) struct Piece {
    file: File,
    pub(crate) inode: u64,
    /// How many bytes it had when it was opened: not what is written right now.
    pub(crate) length: u64,
    /// The place of its first byte.
    pub(crate) place: u64,
}

impl OpenLog {
    /// A log and, before it, the `older` half if there is one. `gone` bytes were trimmed.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn open(path: &Path, older: Option<&Path>, gone: u64) -> Result<Self> {
        let older = older.and_then(|older| open(older).ok());
        let newer = match open(path) {
            // It has been rotated away, and the disk had no room for the next one.
            Err(error) if error.kind() == ErrorKind::NotFound && older.is_some() => None,
            newer => Some(newer?),
        };
        let mut log = Self::empty(gone);
        for file in older.into_iter().chain(newer) {
            let metadata = file.metadata()?;
            let (inode, length, place) = (metadata.ino(), metadata.len(), log.end());
            log.pieces.push(Piece { file, inode, length, place });
        }
        Ok(log)
    }

    /// One of which nothing is left but the place of what follows.
    pub(crate) fn empty(place: u64) -> Self {
        Self { pieces: Vec::new(), start: place, is_cut: false }
    }

    /// The same log, whose first line has lost its beginning or not.
    pub(crate) fn cut(self, is_cut: bool) -> Self {
        Self { is_cut, ..self }
    }

    /// The oldest first.
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The place of the first byte that is there.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// The place of what is written next.
    pub(crate) fn end(&self) -> u64 {
        self.pieces.last().map_or(self.start, |last| last.place.saturating_add(last.length))
    }

    /// At most `bytes` from the place `from`, or else the last ones.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn part(&self, from: Option<u64>, bytes: u64) -> Result<LogPart> {
        let end = self.end();
        let start = from.unwrap_or(end.saturating_sub(bytes)).clamp(self.start, end);
        let mut part = Vec::new();
        for piece in &self.pieces {
            let (read, skipped) = (part.len() as u64, start.saturating_sub(piece.place));
            let count = (bytes - read).min(piece.length.saturating_sub(skipped));
            copy(&piece.file, skipped, count, &mut part)?;
        }
        let is_cut = self.is_cut && start == self.start;
        Ok(LogPart { next: start + part.len() as u64, end, is_cut, bytes: part })
    }
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn copy(mut file: &File, from: u64, bytes: u64, to: &mut Vec<u8>) -> Result<()> {
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
        let read = |older, gone, from, bytes| OpenLog::open(&log, older, gone)?.part(from, bytes);
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
            let part = read(Some(&older), 2, from, bytes).unwrap();
            assert_eq!((&*part.bytes, part.next, part.end), (text.as_bytes(), next, 10), "{from:?} {bytes}");
        }
        assert_eq!(read(None, 0, Some(3), 100).unwrap().bytes, b"ij");
        assert!(OpenLog::open(&older.join("x"), None, 0).is_err());
    }
}
