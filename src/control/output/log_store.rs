//! The output of containers: one bounded log file each.
//!
//! A container writes straight to its file. A pipe would tie it to the reader: with the reader gone it dies of
//! SIGPIPE, with a slow one it blocks. The price is that the limit is kept after the fact: inotify reports that a
//! file grew, and at most four times a second it is cut if it is too long. While no container writes, nothing wakes
//! up; while no daemon runs, nothing is cut, and the next one catches up.
//!
//! A file longer than two thirds of the limit is cut to one. ext4 and XFS take away its beginning, and nothing is
//! lost. Elsewhere the newest third is copied to `ID.log.1` and `ID.log` emptied; what the container writes between
//! the last read and that is lost. The file is open with `O_APPEND`, so it goes on at the new end either way.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::control::model::id::ContainerId;
use crate::control::output::read;
use crate::control::output::read::{LogPart, Trimmed};
use crate::control::output::sink;
use crate::control::output::sink::Sink;
use crate::control::output::{journald, trim};
use crate::error::{Error, ErrorKind, Result, Tried};

/// How long growing files are left alone after they were checked.
const TRIM_INTERVAL: Duration = Duration::from_millis(250);
/// How much output is kept in memory of a container whose log cannot be opened.
const STAND_IN_BYTES: u64 = 64 * 1024;

/// All log files.
#[derive(Debug)]
pub(crate) struct LogStore {
    dir: PathBuf,
    limit: u64,
    inotify: AsyncFd<OwnedFd>,
    watched: Mutex<BTreeMap<i32, BoundedFile>>,
    trimmed: Trimmed,
}

/// A file that is kept small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct BoundedFile {
    path: PathBuf,
    /// The most bytes in it; `None` for our own logs, whose older half lies in a second file.
    limit: Option<u64>,
}

impl LogStore {
    /// The log files in `dir`, each with up to `limit` bytes in two files.
    ///
    /// # Errors
    /// When there is no inotify. A directory that cannot be made is not an error: containers start without a log.
    pub(crate) fn open(dir: PathBuf, limit: u64) -> Result<Self> {
        if let Err(error) = std::fs::create_dir_all(&dir) {
            log::warn!("cannot make the log directory {}: {error}", dir.display());
        }
        let inotify =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).tried(|| "cannot start inotify")?;
        let inotify = crate::sys::wait_readable(inotify).tried(|| "cannot wait for inotify")?;
        Ok(Self { dir, limit: limit.max(3), inotify, watched: Mutex::default(), trimmed: Trimmed::default() })
    }

    fn path(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    fn older(path: &std::path::Path) -> PathBuf {
        path.with_extension("log.1")
    }

    /// The file that is to be kept small for a container, if there is one.
    fn kept(&self, id: &ContainerId, sink: &Sink) -> Option<BoundedFile> {
        match sink {
            Sink::Log => Some(BoundedFile { path: self.path(id), limit: None }),
            Sink::File { path, limit } => {
                limit.map(|limit| BoundedFile { path: path.clone(), limit: Some(limit) })
            }
            Sink::Journal { .. } | Sink::Discard => None,
        }
    }

    /// A new, empty log for a container that starts: Dobby's logs, too, are those of the last start.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn create(&self, id: &ContainerId, sink: &Sink) -> Result<OwnedFd> {
        let path = self.path(id);
        if let Ok(before) = self.read(id, sink, None, 0) {
            // Whoever follows goes on with the first byte of the new one.
            let path = if let Sink::File { path, .. } = sink { path } else { &path };
            self.trimmed.add(path, before.next - self.trimmed.of(path));
        }
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
    pub(crate) fn append(&self, id: &ContainerId, sink: &Sink) -> Result<OwnedFd> {
        self.writer(id, sink, OFlags::empty())
    }

    fn writer(&self, id: &ContainerId, sink: &Sink, more: OFlags) -> Result<OwnedFd> {
        match sink {
            Sink::Log => sink::open(&self.path(id), more),
            Sink::File { path, .. } => sink::open(path, more),
            Sink::Journal { priority } => journald::stream(id, *priority),
            Sink::Discard => sink::null(),
        }
    }

    /// Where a container without a log writes: 64 KiB of memory, then every write fails as on a full disk.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn stand_in() -> Result<OwnedFd> {
        let what = || "cannot make a stand-in for a log";
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = match rustix::fs::memfd_create("container-log", flags) {
            // Before Linux 3.17: not even a beginning is kept.
            Err(Errno::NOSYS) => return sink::full(),
            other => other.tried(what)?,
        };
        rustix::fs::ftruncate(&memory, STAND_IN_BYTES).tried(what)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
            .tried(what)?;
        Ok(memory)
    }

    /// Keeps the log of a container below its limit from now on.
    pub(crate) fn watch(&self, id: &ContainerId, sink: &Sink) {
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

    /// Stops watching the log of a container.
    pub(crate) fn unwatch(&self, id: &ContainerId, sink: &Sink) {
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
    pub(crate) async fn serve(&self) {
        while let Ok(mut ready) = self.inotify.readable().await {
            let grown = self.grown();
            ready.clear_ready();
            for kept in grown {
                self.trim(&kept);
            }
            tokio::time::sleep(TRIM_INTERVAL).await;
        }
    }

    /// The files that grew since the last look.
    fn grown(&self) -> Vec<BoundedFile> {
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

    fn trim(&self, BoundedFile { path, limit }: &BoundedFile) {
        let third = self.limit / 3;
        let is_long = || path.symlink_metadata().is_ok_and(|file| file.is_file() && file.len() > third * 2);
        let cut = match limit {
            Some(limit) => trim::keep_end(path, *limit, limit / 2),
            None if is_long() => trim::trim(path, &Self::older(path), third),
            None => return,
        };
        match cut {
            Ok(gone) => self.trimmed.add(path, gone),
            Err(error) => log::warn!("{}", error.report()),
        }
    }

    /// A part of a container's output: what follows the place `from`, or else the last bytes; at most `bytes`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's.
    pub(crate) fn read(
        &self,
        id: &ContainerId,
        sink: &Sink,
        from: Option<u64>,
        bytes: u64,
    ) -> Result<LogPart> {
        let path = if let Sink::File { path, .. } = sink { path.clone() } else { self.path(id) };
        let older = (*sink == Sink::Log).then(|| Self::older(&path));
        let bytes = if older.is_some() { bytes.min(self.limit) } else { bytes };
        read::read(&path, older.as_deref(), self.trimmed.of(&path), from, bytes).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::System,
            };
            Error::new(kind, format!("container {id} has no log {}", path.display())).caused_by(error)
        })
    }
}
