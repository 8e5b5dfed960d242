//! Writes down when output came, in a small file of the container's directory.
//!
//! The directory best lies on a tmpfs. Nothing is flushed, and nothing kept open.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::control::output::sink;
use crate::control::output::times::entry::{self, Entry};
use crate::error::Tried;

/// The file's name, and that of the next one while it is written.
pub(crate) const TIMES: &str = "output.times";
const NEXT: &str = "output.times.new";
/// The most bytes of it. Without room the older half goes: the times of about 8000 moments stay.
const MAX_BYTES: usize = 64 * 1024;
/// What comes within this time of an entry needs none of its own, in milliseconds.
pub(crate) const GRAIN: u64 = 100;

/// The times of a container that has ended, beside its log.
pub(crate) fn kept(log: &Path) -> PathBuf {
    log.with_extension("times")
}

/// What is written in a container's directory; empty when nothing is.
pub(crate) fn read(dir: &Path) -> Vec<Entry> {
    read_file(&dir.join(TIMES))
}

/// What is written in a file; empty when there is none.
pub(crate) fn read_file(path: &Path) -> Vec<Entry> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map(File::from);
    opened.map_err(Error::from).and_then(|file| load(&file)).map_or_else(|_| Vec::new(), |(all, _)| all)
}

fn load(file: &File) -> Result<(Vec<Entry>, usize)> {
    let mut bytes = Vec::new();
    // What is kept of a container that has ended has one more entry.
    file.take(2 * MAX_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(entry::decode(&bytes))
}

/// Entries as they are in a file.
pub(crate) fn whole(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::new(), None);
    for entry in entries {
        entry::encode(entry, before, &mut bytes);
        before = Some(entry);
    }
    bytes
}

/// Keeps the times of a container that has ended in the file `path`, those of its log that are known by now.
pub(crate) fn keep(dir: &Path, log: &Path, path: &Path) {
    let mut entries = read(dir);
    let (Ok(end), false) = (log.symlink_metadata(), entries.is_empty()) else { return };
    // What a process writes that outlives the container.
    entries.push(Entry { file: end.ino(), offset: end.len(), time: None });
    let written = sink::open(path, OFlags::CREATE | OFlags::TRUNC).and_then(|file| {
        File::from(file).write_all(&whole(&entries)).tried(|| format!("cannot write {}", path.display()))
    });
    if let Err(error) = written {
        log::debug!("{}", error.report());
        let _none = std::fs::remove_file(path);
    }
}

/// What writes the times of one container. There is one at a time.
#[derive(Debug)]
pub(crate) struct Times {
    /// The container's directory itself: another one in its place is of another container.
    dir: Arc<File>,
    /// The last entry of this writer, and how long the file was then.
    last: Option<(Entry, usize)>,
    /// Where the log ended after the last write.
    end: u64,
}

impl Times {
    /// In a container's directory.
    pub(crate) fn of(dir: Arc<File>) -> Self {
        Self { dir, last: None, end: 0 }
    }

    /// Bytes that came at the time `now` are going to be written to a file with this inode, behind so many bytes.
    pub(crate) fn before(&mut self, file: u64, offset: u64, now: Option<u64>) {
        let last = self.last.map(|(last, _)| last).filter(|last| last.file == file);
        let is_near = |time: u64| now.is_some_and(|now| (time..time.saturating_add(GRAIN)).contains(&now));
        if self.end == offset && last.is_some_and(|last| last.time.is_some_and(is_near)) {
            return;
        }
        let mut new = Vec::new();
        if last.is_some() && offset > self.end {
            // Another one has written, too.
            new.push(Entry { file, offset: self.end, time: None });
        }
        new.push(Entry { file, offset, time: now });
        self.end = offset;
        if self.append(&new).is_err() {
            // Output is more important, and must not have the time of what was before it.
            self.forget();
        }
    }

    /// So many bytes were written.
    pub(crate) fn after(&mut self, bytes: u64) {
        self.end = self.end.saturating_add(bytes);
    }

    /// Takes away what is known, while the file is changed in another way than by writing at its end.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        let all = self.open(TIMES, OFlags::empty()).and_then(|file| load(&file));
        self.forget();
        all.map_or_else(|_| Vec::new(), |(all, _)| all)
    }

    /// Puts back what was taken, for a file that lost so many bytes at its beginning.
    pub(crate) fn put(&mut self, taken: &[Entry], file: u64, gone: u64) {
        let mut left = entry::of_file(taken, file, u64::MAX);
        let before = left.iter().filter(|entry| entry.offset <= gone).count().saturating_sub(1);
        left.drain(..before);
        left.iter_mut().for_each(|entry| entry.offset = entry.offset.saturating_sub(gone));
        if self.replace(&whole(&left)).is_err() {
            self.forget();
        }
    }

    fn append(&mut self, new: &[Entry]) -> Result<()> {
        let file = self.open(TIMES, OFlags::CREATE)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let (mut before, mut at) =
            self.last.filter(|(_, at)| *at == length).map_or((None, 0), |(last, at)| (Some(last), at));
        if before.is_none() {
            // An earlier writer may have been killed in the middle of an entry.
            at = load(&file)?.1;
            file.set_len(at as u64)?;
        }
        let mut bytes = Vec::new();
        for entry in new {
            entry::encode(entry, before.as_ref(), &mut bytes);
            before = Some(*entry);
        }
        if at + bytes.len() > MAX_BYTES {
            let mut all = newest(load(&self.open(TIMES, OFlags::empty())?)?.0);
            all.extend(new);
            bytes = whole(&all);
            self.replace(&bytes)?;
            at = 0;
        } else if file.write_at(&bytes, at as u64)? != bytes.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        self.last = before.map(|last| (last, at + bytes.len()));
        Ok(())
    }

    fn replace(&self, bytes: &[u8]) -> Result<()> {
        let next = self.open(NEXT, OFlags::CREATE | OFlags::TRUNC)?;
        next.write_all_at(bytes, 0)?;
        Ok(rustix::fs::renameat(&self.dir, NEXT, &self.dir, TIMES)?)
    }

    fn open(&self, name: &str, more: OFlags) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
        Ok(rustix::fs::openat(&self.dir, name, flags, Mode::from_raw_mode(0o600))?.into())
    }

    fn forget(&mut self) {
        self.last = None;
        for name in [NEXT, TIMES] {
            let _none = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
        }
    }
}

/// The newer half of entries that have become too many, and only those of files that a log still has: two at most.
fn newest(mut all: Vec<Entry>) -> Vec<Entry> {
    let mut files: Vec<u64> = Vec::new();
    for entry in all.iter().rev() {
        if files.len() < 2 && !files.contains(&entry.file) {
            files.push(entry.file);
        }
    }
    all.retain(|entry| files.contains(&entry.file));
    all.split_off(all.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_moments_take_no_more_room_than_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = Times::of(Arc::new(File::open(dir.path()).unwrap()));
        let mut written = Vec::new();
        for step in 0..60_000 {
            let entry =
                Entry { file: 1 + step / 20_000, offset: step % 20_000 * 80, time: Some(step * 1000) };
            times.before(entry.file, entry.offset, entry.time);
            times.after(80);
            written.push(entry);
            if step % 1000 == 0 {
                let size = dir.path().join(TIMES).metadata().unwrap().len();
                assert!(size <= MAX_BYTES as u64, "{size} bytes");
                let known = read(dir.path());
                assert!(written.ends_with(&known), "{step}");
                assert!(known.len() >= written.len().min(8000), "{} of {step}", known.len());
            }
        }
    }

    #[test]
    fn what_another_one_has_written_has_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = Times::of(Arc::new(File::open(dir.path()).unwrap()));
        let entry = |offset, time| Entry { file: 7, offset, time };
        times.before(7, 0, Some(1));
        times.after(10);
        times.before(7, 10, Some(2));
        times.after(5);
        times.before(7, 30, Some(3));
        assert_eq!(read(dir.path()), [entry(0, Some(1)), entry(15, None), entry(30, Some(3))]);
    }
}
