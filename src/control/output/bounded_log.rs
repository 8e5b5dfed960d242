//! The file that a container's output goes to. It never exceeds its limit, and output that it had no room for is noted.
//!
//! Only the reader of the container's pipe writes to it, so that it can look before each write. Nothing is kept open: when
//! the file is removed, moved or emptied, by logrotate for one, the next write goes to what is there then.

use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};

use crate::control::output::log_end::{Files, LogEnd};
use crate::control::output::place::{LockedPlace, Place};
use crate::control::output::sink;
use crate::control::output::times::writer::{self, Times};

/// How much is copied at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// How long a log may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Two files, the older one beside the other, have at most so many bytes together.
    TwoFiles(u64),
    /// One file of at most so many bytes: when it is full, its older half goes.
    OneFile(u64),
    /// As long as the disk takes it.
    Unlimited,
}

/// A log, and how long it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogTarget {
    pub(crate) path: PathBuf,
    pub(crate) bound: Bound,
}

/// What writes a log.
#[derive(Debug)]
pub(crate) struct BoundedLog {
    target: LogTarget,
    place: Place,
    times: Times,
    /// When the bytes came that are being written.
    now: Option<u64>,
    end: LogEnd,
    /// Whether what is being written follows what was left out, within a line.
    has_gap: bool,
    /// How many bytes were lost since the last write, and why.
    lost: Option<(u64, ErrorKind)>,
}

/// The older file of a log that has two.
pub(crate) fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

impl BoundedLog {
    pub(crate) fn new(target: LogTarget, place: Place, times: Times) -> Self {
        Self { target, place, times, now: None, end: LogEnd::default(), has_gap: false, lost: None }
    }

    /// Writes all that has just come, or counts what there was no room for: a container neither waits for the disk nor fails
    /// with it.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        self.write_at(bytes, now.and_then(|now| u64::try_from(now.as_millis()).ok()));
    }

    /// The same, for bytes that came at the time `now`.
    pub(crate) fn write_at(&mut self, mut bytes: &[u8], now: Option<u64>) {
        self.now = now;
        let mut written = self.note_lost();
        let hopeless = self.hopeless(bytes);
        bytes = bytes.get(hopeless..).unwrap_or_default();
        while let Ok(()) = written
            && !bytes.is_empty()
        {
            written = self.write_some(bytes).map(|count| bytes = bytes.get(count..).unwrap_or_default());
        }
        self.has_gap = false;
        if let Err(error) = written {
            let before = self.lost.map_or(0, |(lost, _)| lost);
            self.lost = Some((before.saturating_add(bytes.len() as u64), error.kind()));
        }
    }

    /// How many bytes at the beginning of so many cannot stay: a small limit must not cost one write for each of them.
    fn hopeless(&mut self, bytes: &[u8]) -> usize {
        let (Bound::TwoFiles(limit) | Bound::OneFile(limit)) = self.target.bound else { return 0 };
        let hopeless = bytes.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        self.has_gap = hopeless > 0 && bytes.get(hopeless - 1) != Some(&b'\n');
        if hopeless > 0
            && let Ok(place) = self.place.lock()
        {
            // Who follows finds less than there was; the log stays as it is.
            let _unknown = place.add(hopeless as u64);
            if self.has_gap {
                let _unknown = place.note_line(false);
            }
            self.end.skip(hopeless as u64);
        }
        hopeless
    }

    fn note_lost(&mut self) -> Result<()> {
        let Some((lost, why)) = self.lost else { return Ok(()) };
        let note = format!("\n[ocicontainer: {lost} bytes of output are missing here: {why}]\n");
        self.write_some(note.as_bytes())?;
        self.lost = None;
        Ok(())
    }

    /// Writes some of the bytes, at least one.
    fn write_some(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.try_write(bytes);
        let is_full = matches!(&written, Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
        // The disk must not stay full because of us.
        if is_full && matches!(self.target.bound, Bound::TwoFiles(_)) && self.remove_older().is_ok() {
            return self.try_write(bytes);
        }
        written
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<usize> {
        let path = &self.target.path.clone();
        let mut file = File::from(sink::open(path, OFlags::CREATE).map_err(Error::other)?);
        let mut files = self.files(&file)?;
        let end = self.end.find(files, &self.place);
        let room = match self.target.bound {
            Bound::Unlimited => u64::MAX,
            Bound::TwoFiles(limit) => {
                if files.length >= limit / 2 {
                    self.end.forget();
                    file = self.rotate()?;
                    files = self.files(&file)?;
                }
                (limit / 2).saturating_sub(files.length)
            }
            Bound::OneFile(limit) => {
                if files.length.saturating_add(bytes.len() as u64) > limit {
                    self.end.forget();
                    files.length -= self.halve(files.length.saturating_sub(limit / 2))?;
                }
                limit.saturating_sub(files.length)
            }
        };
        let count = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        match bytes.get(..count) {
            Some(part) if !part.is_empty() => {
                self.note_time(files);
                let written = file.write(part)?;
                self.times.after(written as u64);
                files.length += written as u64;
                let ends_line = part.get(..written).is_some_and(|part| part.ends_with(b"\n"));
                self.end.leave(files, end + written as u64, ends_line);
                Ok(written)
            }
            // A limit of no bytes.
            _ => Ok(bytes.len()),
        }
    }

    /// The files of the log, of which this one is written to.
    fn files(&self, file: &File) -> Result<Files> {
        let older = match self.target.bound {
            Bound::TwoFiles(_) => older(&self.target.path).symlink_metadata().map_or(0, |older| older.len()),
            Bound::OneFile(_) | Bound::Unlimited => 0,
        };
        let metadata = file.metadata()?;
        Ok(Files { inode: metadata.ino(), length: metadata.len(), older })
    }

    /// Notes when that came which is going to be written.
    fn note_time(&mut self, files: Files) {
        if files.length == 0 && matches!(self.target.bound, Bound::TwoFiles(_)) {
            // What was kept of an earlier end: this file may have the inode of one that is gone.
            let _none = std::fs::remove_file(writer::kept(&self.target.path));
        }
        self.times.before(files.inode, files.length, self.now);
    }

    /// The file becomes the older one. Gives the next one, which is there before others may look again.
    fn rotate(&self) -> Result<File> {
        let place = self.place.lock();
        let older = older(&self.target.path);
        let gone = last_of(&older);
        std::fs::rename(&self.target.path, older)?;
        let next = sink::open(&self.target.path, OFlags::CREATE).map_err(Error::other);
        self.note_gone(place, gone)?;
        next.map(File::from)
    }

    fn remove_older(&mut self) -> Result<()> {
        self.end.forget();
        let place = self.place.lock();
        let older = older(&self.target.path);
        let gone = last_of(&older);
        std::fs::remove_file(older)?;
        self.note_gone(place, gone)
    }

    /// Takes about `gone` bytes away at the beginning of the file; how many.
    fn halve(&mut self, gone: u64) -> Result<u64> {
        let place = self.place.lock();
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&self.target.path, flags, Mode::empty())?);
        let times = self.times.take();
        let mut last = [0];
        // Unknown is as good as within a line.
        let _unknown = file.read_exact_at(&mut last, gone.saturating_sub(1));
        // What another writer adds meanwhile is not waited for.
        let kept = move_to_beginning(&file, gone, file.metadata()?.len().saturating_sub(gone));
        file.set_len(*kept.as_ref().unwrap_or(&0))?;
        kept?;
        self.times.put(&times, file.metadata()?.ino(), gone);
        self.note_gone(place, (gone, last == *b"\n"))?;
        Ok(gone)
    }

    /// So many bytes are gone at the beginning of the log, whose last one did or did not end a line. Without its directory a
    /// container has no readers who follow.
    fn note_gone(&self, place: Result<LockedPlace>, (bytes, ended_line): (u64, bool)) -> Result<()> {
        match place {
            Ok(place) if bytes > 0 => {
                place.add(bytes).and_then(|()| place.note_line(ended_line && !self.has_gap))
            }
            _ => Ok(()),
        }
    }
}

/// How long a file is, and whether it ends with a line.
fn last_of(path: &Path) -> (u64, bool) {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()).map(File::from) else { return (0, false) };
    let (length, mut last) = (file.metadata().map_or(0, |file| file.len()), [0]);
    let read = file.read_exact_at(&mut last, length.saturating_sub(1));
    (length, read.is_ok() && last == *b"\n")
}

/// Copies `length` bytes at `start` to the beginning; how many there were.
fn move_to_beginning(file: &File, start: u64, length: u64) -> Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let room = usize::try_from(length - copied).unwrap_or(CHUNK).min(CHUNK);
        let count = file.read_at(buffer.get_mut(..room).unwrap_or_default(), start + copied)?;
        if count == 0 {
            return Ok(copied);
        }
        file.write_all_at(buffer.get(..count).unwrap_or_default(), copied)?;
        copied += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::output::read::OpenLog;

    fn times(dir: &Path) -> Times {
        Times::of(Arc::new(File::open(dir).unwrap()))
    }

    /// What is kept is the end of what was written, never more than the limit, and the place says how much went before.
    #[test]
    fn the_limit_holds_after_every_write_and_the_place_is_true() {
        let mut random = 7_u32;
        let mut next = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) % below
        };
        for limit in [0, 1, 2, 3, 100, 4096, 70_000, 300_001] {
            for bound in [Bound::TwoFiles(limit), Bound::OneFile(limit)] {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("a.log");
                let place = Place::of(dir.path());
                place.create(5).unwrap();
                let mut log = BoundedLog::new(
                    LogTarget { path: path.clone(), bound },
                    place.clone(),
                    times(dir.path()),
                );
                let (mut all, older) = (Vec::new(), older(&path));
                let length = |path: &Path| path.metadata().map_or(0, |file| file.len());
                for _ in 0..60 {
                    let most = if next(8) == 0 { 200_000 } else { 3000 };
                    let count = next(most);
                    let bytes: Vec<u8> = (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect();
                    log.write(&bytes);
                    all.extend(bytes);
                    assert!(length(&path) + length(&older) <= limit, "{bound:?}");
                    if limit > 1 {
                        let locked = place.lock().unwrap();
                        let (start, is_cut) = (locked.read(), locked.is_cut());
                        drop(locked);
                        let gone = usize::try_from(start - 5).unwrap();
                        let begins_line = gone == 0 || all.get(gone - 1) == Some(&b'\n');
                        assert!(begins_line || is_cut, "{bound:?}");
                        let part =
                            OpenLog::open(&path, Some(&older), start).unwrap().part(None, u64::MAX).unwrap();
                        assert_eq!(part.next, 5 + all.len() as u64, "{bound:?}");
                        assert!(all.ends_with(&part.bytes), "{bound:?}");
                        assert!(part.bytes.len() as u64 >= (limit / 2).min(all.len() as u64), "{bound:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_lost_is_noted_once_there_is_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let place = Place::of(dir.path());
        let mut log = BoundedLog::new(
            LogTarget { path: path.clone(), bound: Bound::Unlimited },
            place,
            times(dir.path()),
        );
        std::fs::create_dir(&path).unwrap();
        log.write(b"12345");
        log.write(b"678");
        std::fs::remove_dir(&path).unwrap();
        log.write(b"end");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(": 8 bytes of output are missing here: ") && text.ends_with("]\nend"),
            "{text}"
        );
    }

    #[test]
    fn a_reader_always_finds_a_log_however_often_it_is_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let place = Place::of(dir.path());
        place.create(0).unwrap();
        let target = LogTarget { path: path.clone(), bound: Bound::TwoFiles(4) };
        let mut log = BoundedLog::new(target, place.clone(), times(dir.path()));
        // From the first rotation on, there are two files.
        log.write(b"abcd");
        let is_done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..3000).for_each(|_| log.write(b"abc"));
                is_done.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                // A reader whose turn it is not for too long looks all the same.
                OpenLog::open(&path, Some(&older(&path)), 0).unwrap();
            }
        });
        std::fs::remove_file(&path).unwrap();
        assert!(OpenLog::open(&path, Some(&older(&path)), 0).is_ok(), "no room for the next file");
    }
}
