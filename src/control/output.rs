//! The output of containers: one bounded log file each.
//!
//! A container writes straight to its file. A pipe would tie it to whoever reads it: with the reader gone it dies of
//! SIGPIPE, with a slow one it blocks. The price is that the limit is kept after the fact: inotify tells that a
//! file grew, and at most four times a second it is cut if it is too long. While no container writes, nothing wakes
//! up; while no daemon runs, nothing is cut, and the next one catches up.
//!
//! A file longer than two thirds of the limit is cut to one. ext4 and XFS take away its beginning, and nothing is
//! lost. Elsewhere the newest third is copied to `ID.log.1` and `ID.log` emptied; what the container writes between
//! the last read and that is lost. The file is open with `O_APPEND`, so it goes on at the new end either way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::ContainerId;
use super::journal;
use super::sink::{self, Sink};
use crate::error::{Error, ErrorKind, Result, Tried};

/// How long growing files are left alone after a look at them.
const PACE: Duration = Duration::from_millis(250);
/// How often the end of a log is copied that grows under our hands.
const ROUNDS: u32 = 10;
/// How much output is kept in memory of a container whose log cannot be opened.
const IN_MEMORY: u64 = 64 * 1024;

/// All log files.
#[derive(Debug)]
pub(super) struct Output {
    dir: PathBuf,
    limit: u64,
    inotify: AsyncFd<OwnedFd>,
    watched: Mutex<BTreeMap<i32, Kept>>,
}

/// A file that is kept small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    path: PathBuf,
    /// The most bytes in it; `None` for our own logs, whose older half lies in a second file.
    limit: Option<u64>,
}

impl Output {
    /// The log files in `dir`, each with up to `limit` bytes in two files.
    ///
    /// # Errors
    /// When there is no inotify. A directory that cannot be made is no error: containers start without a log.
    pub(super) fn open(dir: PathBuf, limit: u64) -> Result<Self> {
        if let Err(error) = std::fs::create_dir_all(&dir) {
            log::warn!("cannot make the log directory {}: {error}", dir.display());
        }
        let inotify =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).tried(|| "cannot start inotify")?;
        let inotify = crate::sys::wait_readable(inotify).tried(|| "cannot wait for inotify")?;
        Ok(Self { dir, limit: limit.max(3), inotify, watched: Mutex::default() })
    }

    fn path(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    fn older(path: &std::path::Path) -> PathBuf {
        path.with_extension("log.1")
    }

    /// The file that is to be kept small for a container, if there is one.
    fn kept(&self, id: &ContainerId, sink: &Sink) -> Option<Kept> {
        match sink {
            Sink::Log => Some(Kept { path: self.path(id), limit: None }),
            Sink::File { path, limit } => limit.map(|limit| Kept { path: path.clone(), limit: Some(limit) }),
            Sink::Journal { .. } | Sink::Discard => None,
        }
    }

    /// A new, empty log for a container that starts: Dobby's logs, too, are those of the last start.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn create(&self, id: &ContainerId, sink: &Sink) -> Result<OwnedFd> {
        let path = self.path(id);
        let _none = std::fs::remove_file(Self::older(&path));
        if *sink != Sink::Log {
            // It would be taken for the output of this start.
            let _none = std::fs::remove_file(&path);
        }
        let log = self.writer(id, sink, OFlags::CREATE | OFlags::TRUNC)?;
        self.watch(id, sink);
        Ok(log)
    }

    /// The log of a container, to write at its end.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn append(&self, id: &ContainerId, sink: &Sink) -> Result<OwnedFd> {
        self.writer(id, sink, OFlags::empty())
    }

    fn writer(&self, id: &ContainerId, sink: &Sink, more: OFlags) -> Result<OwnedFd> {
        match sink {
            Sink::Log => sink::open(&self.path(id), more),
            Sink::File { path, .. } => sink::open(path, more),
            Sink::Journal { priority } => journal::stream(id, *priority),
            Sink::Discard => sink::null(),
        }
    }

    /// Where a container without a log writes: 64 KiB of memory, then every write fails as on a full disk.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn dummy() -> Result<OwnedFd> {
        let what = || "cannot make a stand-in for a log";
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = match rustix::fs::memfd_create("container-log", flags) {
            // Before Linux 3.17: not even a beginning is kept.
            Err(Errno::NOSYS) => return sink::full(),
            other => other.tried(what)?,
        };
        rustix::fs::ftruncate(&memory, IN_MEMORY).tried(what)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
            .tried(what)?;
        Ok(memory)
    }

    /// Keeps the log of a container below its limit from now on.
    pub(super) fn watch(&self, id: &ContainerId, sink: &Sink) {
        let Some(kept) = self.kept(id, sink) else { return };
        let wanted = WatchFlags::MODIFY | WatchFlags::DONT_FOLLOW;
        match inotify::add_watch(self.inotify.get_ref(), &kept.path, wanted) {
            Ok(watch) => {
                if let Ok(mut watched) = self.watched.lock() {
                    watched.insert(watch, kept.clone());
                }
            }
            Err(error) => log::warn!("the log {} may grow without bound: {error}", kept.path.display()),
        }
        self.trim(&kept);
    }

    /// Leaves the log of a container alone from now on.
    pub(super) fn unwatch(&self, id: &ContainerId, sink: &Sink) {
        let Some(kept) = self.kept(id, sink) else { return };
        let Ok(mut watched) = self.watched.lock() else { return };
        let found = watched.iter().find(|(_, known)| **known == kept).map(|(watch, _)| *watch);
        if let Some(watch) = found {
            watched.remove(&watch);
            // A file that was removed took its watch along.
            let _gone = inotify::remove_watch(self.inotify.get_ref(), watch);
        }
        self.trim(&kept);
    }

    /// Keeps the files small until the future is dropped.
    pub(super) async fn serve(&self) {
        while let Ok(mut ready) = self.inotify.readable().await {
            let grown = self.grown();
            ready.clear_ready();
            for kept in grown {
                self.trim(&kept);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// The files that grew since the last look.
    fn grown(&self) -> Vec<Kept> {
        let mut buffer = [MaybeUninit::uninit(); 2048];
        let mut reader = inotify::Reader::new(self.inotify.get_ref().as_fd(), &mut buffer);
        let Ok(mut watched) = self.watched.lock() else { return Vec::new() };
        let mut grown = BTreeMap::new();
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                return watched.values().cloned().collect();
            }
            let kept = match event.events().contains(ReadFlags::IGNORED) {
                true => watched.remove(&event.wd()),
                false => watched.get(&event.wd()).cloned(),
            };
            if let Some(kept) = kept {
                grown.insert(kept, ());
            }
        }
        grown.into_keys().collect()
    }

    fn trim(&self, Kept { path, limit }: &Kept) {
        let third = self.limit / 3;
        let is_long = || path.symlink_metadata().is_ok_and(|file| file.is_file() && file.len() > third * 2);
        let cut = match limit {
            Some(limit) => sink::keep_end(path, *limit, limit / 2),
            None if is_long() => cut(path, &Self::older(path), third),
            None => return,
        };
        if let Err(error) = cut {
            log::warn!("{}", error.report());
        }
    }

    /// The last bytes of a container's output.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's.
    pub(super) fn tail(&self, id: &ContainerId, sink: &Sink, bytes: u64) -> Result<Vec<u8>> {
        let path = if let Sink::File { path, .. } = sink { path.clone() } else { self.path(id) };
        let bytes = if *sink == Sink::Log { bytes.min(self.limit) } else { bytes };
        let newer = last(&path, bytes).map_err(|error| {
            let kind = if error.kind() == std::io::ErrorKind::NotFound {
                ErrorKind::NotFound
            } else {
                ErrorKind::System
            };
            Error::new(kind, format!("container {id} has no log {}", path.display())).caused_by(error)
        })?;
        if *sink != Sink::Log {
            return Ok(newer);
        }
        let room = bytes.saturating_sub(newer.len() as u64);
        let mut tail = last(&Self::older(&path), room).unwrap_or_default();
        tail.extend(newer);
        Ok(tail)
    }
}

/// Cuts a file to about its last `keep` bytes, which may end up in `older`.
fn cut(path: &std::path::Path, older: &std::path::Path, keep: u64) -> Result<()> {
    let what = || format!("cannot cut the log {}", path.display());
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut log = File::from(rustix::fs::open(path, flags, Mode::empty()).tried(what)?);
    if collapse(&log, keep).tried(what)? {
        return Ok(());
    }
    let copied = copy_end(&mut log, older, keep);
    // Also when there was no room for the copy: the disk must not stay full because of us.
    log.set_len(0).tried(what)?;
    copied.tried(|| format!("cannot keep older output in {}", older.display()))
}

/// Takes whole blocks away at the beginning of a file until about `keep` bytes are left: fallocate(2). False where
/// the file system cannot do that, and for limits of less than a block.
fn collapse(log: &File, keep: u64) -> std::io::Result<bool> {
    let metadata = log.metadata()?;
    let block = metadata.blksize().max(1);
    let excess = metadata.len().saturating_sub(keep) / block * block;
    if excess == 0 {
        return Ok(false);
    }
    match rustix::fs::fallocate(log, FallocateFlags::COLLAPSE_RANGE, 0, excess) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn copy_end(log: &mut File, older: &std::path::Path, keep: u64) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::open(older, flags, Mode::from_raw_mode(0o640))?);
    // A container may write faster than we are let read: what counts is its newest output, but not for ever.
    for _ in 0..ROUNDS {
        copy.set_len(0)?;
        copy.rewind()?;
        let start = log.metadata()?.len().saturating_sub(keep);
        log.seek(SeekFrom::Start(start))?;
        let copied = std::io::copy(&mut (&*log).take(keep.saturating_mul(2)), &mut copy)?;
        if start + copied == log.metadata()?.len() {
            break;
        }
    }
    Ok(())
}

/// The last bytes of a file.
fn last(path: &std::path::Path, bytes: u64) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let start = file.metadata()?.len().saturating_sub(bytes);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(end)
}
