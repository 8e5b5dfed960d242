//! The output of containers: one bounded log file each.
//!
//! A container writes straight to its file. A pipe would tie it to whoever reads it: with the reader gone it dies of
//! SIGPIPE, with a slow one it blocks. The price is that the limit is kept after the fact: inotify tells that a
//! file grew, and at most four times a second the older half of what is too much goes. While no container writes,
//! nothing wakes up; while no daemon runs, nothing is cut, and the next one catches up.
//!
//! Cutting copies the newest half of the limit to `ID.log.1` and empties `ID.log`, which works on every file
//! system and leaves files that every tool can read. The file is open with `O_APPEND`, so the container goes on
//! at its new end; what it writes within the microseconds between the last read and the cut is lost.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use tokio::io::unix::AsyncFd;

use super::ContainerId;
use crate::error::{Error, ErrorKind, Result, Tried};

/// How long growing files are left alone after a look at them.
const PACE: Duration = Duration::from_millis(250);
/// How much output is kept in memory of a container whose log cannot be opened.
const IN_MEMORY: u64 = 64 * 1024;

/// All log files.
#[derive(Debug)]
pub(super) struct Output {
    dir: PathBuf,
    limit: u64,
    inotify: AsyncFd<OwnedFd>,
    watched: Mutex<BTreeMap<i32, PathBuf>>,
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
        Ok(Self { dir, limit: limit.max(2), inotify, watched: Mutex::default() })
    }

    fn path(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    fn older(path: &std::path::Path) -> PathBuf {
        path.with_extension("log.1")
    }

    /// A new, empty log for a container that starts: Dobby's logs, too, are those of the last start.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn create(&self, id: &ContainerId) -> Result<OwnedFd> {
        let path = self.path(id);
        let _none = std::fs::remove_file(Self::older(&path));
        let log = self.writer(id, OFlags::CREATE | OFlags::TRUNC)?;
        self.watch(id);
        Ok(log)
    }

    /// The log of a container, to write at its end.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn append(&self, id: &ContainerId) -> Result<OwnedFd> {
        self.writer(id, OFlags::empty())
    }

    fn writer(&self, id: &ContainerId, more: OFlags) -> Result<OwnedFd> {
        let path = self.path(id);
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let log = rustix::fs::open(&path, flags | more, Mode::from_raw_mode(0o640))
            .tried(|| format!("cannot open the log {}", path.display()))?;
        // It was only there so that a FIFO in the log's place cannot hold us up.
        rustix::fs::fcntl_setfl(&log, OFlags::APPEND).tried(|| format!("cannot use {}", path.display()))?;
        Ok(log)
    }

    /// Where a container without a log writes: 64 KiB of memory, then every write fails as on a full disk.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn dummy() -> Result<OwnedFd> {
        let what = || "cannot make a stand-in for a log";
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = rustix::fs::memfd_create("container-log", flags).tried(what)?;
        rustix::fs::ftruncate(&memory, IN_MEMORY).tried(what)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
            .tried(what)?;
        Ok(memory)
    }

    /// Keeps the log of a container below its limit from now on.
    pub(super) fn watch(&self, id: &ContainerId) {
        let path = self.path(id);
        let wanted = WatchFlags::MODIFY | WatchFlags::DONT_FOLLOW;
        match inotify::add_watch(self.inotify.get_ref(), &path, wanted) {
            Ok(watch) => {
                if let Ok(mut watched) = self.watched.lock() {
                    watched.insert(watch, path.clone());
                }
            }
            Err(error) => log::warn!("the log {} may grow without bound: {error}", path.display()),
        }
        self.trim(&path);
    }

    /// Leaves the log of a container alone from now on.
    pub(super) fn unwatch(&self, id: &ContainerId) {
        let path = self.path(id);
        let Ok(mut watched) = self.watched.lock() else { return };
        let found = watched.iter().find(|(_, known)| **known == path).map(|(watch, _)| *watch);
        if let Some(watch) = found {
            watched.remove(&watch);
            // A file that was removed took its watch along.
            let _gone = inotify::remove_watch(self.inotify.get_ref(), watch);
        }
        self.trim(&path);
    }

    /// Keeps the files small until the future is dropped.
    pub(super) async fn serve(&self) {
        while let Ok(mut ready) = self.inotify.readable().await {
            let grown = self.grown();
            ready.clear_ready();
            for path in grown {
                self.trim(&path);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// The files that grew since the last look.
    fn grown(&self) -> Vec<PathBuf> {
        let mut buffer = [MaybeUninit::uninit(); 2048];
        let mut reader = inotify::Reader::new(self.inotify.get_ref().as_fd(), &mut buffer);
        let Ok(mut watched) = self.watched.lock() else { return Vec::new() };
        let mut grown = BTreeMap::new();
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                return watched.values().cloned().collect();
            }
            let path = match event.events().contains(ReadFlags::IGNORED) {
                true => watched.remove(&event.wd()),
                false => watched.get(&event.wd()).cloned(),
            };
            if let Some(path) = path {
                grown.insert(path, ());
            }
        }
        grown.into_keys().collect()
    }

    fn trim(&self, path: &std::path::Path) {
        let half = self.limit / 2;
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() > half => {}
            _ => return,
        }
        if let Err(error) = cut(path, &Self::older(path), half) {
            log::warn!("{}", error.report());
        }
    }

    /// The last bytes of a container's output.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's.
    pub(super) fn tail(&self, id: &ContainerId, bytes: u64) -> Result<Vec<u8>> {
        let path = self.path(id);
        let newer = last(&path, bytes.min(self.limit)).map_err(|error| {
            let kind = if error.kind() == std::io::ErrorKind::NotFound {
                ErrorKind::NotFound
            } else {
                ErrorKind::System
            };
            Error::new(kind, format!("container {id} has no log {}", path.display())).caused_by(error)
        })?;
        let room = bytes.min(self.limit).saturating_sub(newer.len() as u64);
        let mut tail = last(&Self::older(&path), room).unwrap_or_default();
        tail.extend(newer);
        Ok(tail)
    }
}

/// Moves the last `keep` bytes of a file to `older` and empties it.
fn cut(path: &std::path::Path, older: &std::path::Path, keep: u64) -> Result<()> {
    let what = || format!("cannot cut the log {}", path.display());
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut log = File::from(rustix::fs::open(path, flags, Mode::empty()).tried(what)?);
    let copied = copy_end(&mut log, older, keep);
    // Also when there was no room for the copy: the disk must not stay full because of us.
    log.set_len(0).tried(what)?;
    copied.tried(|| format!("cannot keep older output in {}", older.display()))
}

fn copy_end(log: &mut File, older: &std::path::Path, keep: u64) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::open(older, flags, Mode::from_raw_mode(0o640))?);
    let end = log.metadata()?.len();
    log.seek(SeekFrom::Start(end.saturating_sub(keep)))?;
    // A container that writes faster than we read must not keep us here.
    let mut rest = log.take(keep.saturating_mul(2));
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = rest.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        copy.write_all(buffer.get(..count).unwrap_or_default())?;
    }
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
