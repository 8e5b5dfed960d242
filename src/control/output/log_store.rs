//! The logs of containers: what a container writes, and what can be read of it.
//!
//! A container writes to a pipe, whose reader bounds the log at all times. The reader is the monitor, so that the daemon can
//! end; without one it is this process. A container whose reader is killed waits once its pipe is full, and goes on when
//! the next one reads.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::io::Errno;

use crate::control::model::id::ContainerId;
use crate::control::output::bounded_log::{self, Bound, LogTarget};
use crate::control::output::last_sinks::LastSinks;
use crate::control::output::place::Place;
use crate::control::output::read::{LogPart, OpenLog, Trimmed};
use crate::control::output::reader::{self, OutputReader, Progress, Until};
use crate::control::output::readers::{LAST_TURNS, Readers};
use crate::control::output::sink::Sink;
use crate::control::output::times::known::{self, Came};
use crate::control::output::times::writer as times;
use crate::control::output::{journald, sink};
use crate::control::settings::Settings;
use crate::error::{Error, ErrorKind, Result, Tried};

/// How much output is kept in memory of a container whose log cannot be opened.
const STAND_IN_BYTES: u64 = 64 * 1024;

/// All logs.
#[derive(Debug)]
pub(crate) struct LogStore {
    dir: PathBuf,
    limit: u64,
    state_dir: PathBuf,
    /// The readers in this process, without a monitor.
    readers: Option<Arc<Mutex<Readers>>>,
    /// With a monitor, an end of each pipe: what is in there stays when the container ends and the monitor was killed.
    held: Mutex<BTreeMap<PathBuf, OwnedFd>>,
    trimmed: Trimmed,
    last_sinks: LastSinks,
}

/// Where a part of a container's output begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogBegin {
    /// With the last bytes.
    Last,
    /// At this place.
    Place(u64),
    /// With the first line of this time or later, in milliseconds since 1970. All that came behind it belongs to it, also when
    /// the clock was set back meanwhile, or a time is not known.
    Time(u64),
}

/// Where a container writes.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its standard output and standard error.
    pub(crate) fd: OwnedFd,
    /// If that is a pipe: where the monitor is to write what it reads.
    pub(crate) target: Option<LogTarget>,
}

impl LogStore {
    /// The logs in a directory. One that cannot be made is not an error: containers start without a log.
    pub(crate) fn open(settings: &Settings) -> Self {
        let dir = settings.log_dir.clone();
        if let Err(error) = std::fs::create_dir_all(&dir) {
            log::warn!("cannot make the log directory {}: {error}", dir.display());
        }
        let readers = (!settings.monitor).then(Arc::default);
        let (limit, state_dir) = (settings.log_limit.max(2), settings.state_dir.clone());
        let last_sinks = LastSinks::of(&state_dir);
        let (held, trimmed) = (Mutex::default(), Trimmed::default());
        Self { dir, limit, state_dir, readers, held, trimmed, last_sinks }
    }

    /// The container's directory, with its pipe.
    fn home(&self, id: &ContainerId) -> PathBuf {
        self.state_dir.join(id.as_str())
    }

    fn path(&self, id: &ContainerId, sink: &Sink) -> PathBuf {
        if let Sink::File { path, .. } = sink { path.clone() } else { self.own_path(id) }
    }

    /// The daemon's log of a container.
    fn own_path(&self, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{id}.log"))
    }

    /// Where the output of a container is written by us, if it is.
    pub(crate) fn target(&self, id: &ContainerId, sink: &Sink) -> Option<LogTarget> {
        let bound = match sink {
            Sink::Log => Bound::TwoFiles(self.limit),
            Sink::File { limit, .. } => limit.map_or(Bound::Unlimited, Bound::OneFile),
            Sink::Journal { .. } | Sink::Discard => return None,
        };
        Some(LogTarget { path: self.path(id, sink), bound })
    }

    /// A new, empty log for a container that starts: Dobby's logs, too, are those of the last start.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn create(&self, id: &ContainerId, sink: &Sink) -> Result<Output> {
        let ours = self.own_path(id);
        let path = self.path(id, sink);
        // Who follows goes on with the first byte of the new one.
        let start =
            self.read(id, sink, None, 0).map_or_else(|_| self.trimmed.of(&path), |before| before.next);
        self.trimmed.set(&path, start);
        self.last_sinks.forget(id);
        for of_before in [times::kept(&ours), bounded_log::older(&ours)] {
            let _none = std::fs::remove_file(of_before);
        }
        if *sink != Sink::Log {
            // It would be taken for the output of this start.
            let _none = std::fs::remove_file(&ours);
        }
        let Some(target) = self.target(id, sink) else { return write_only(id, sink) };
        sink::open(&path, OFlags::CREATE | OFlags::TRUNC)?;
        let home = self.home(id);
        Place::of(&home).create(start).tried(|| format!("cannot write into {}", home.display()))?;
        let fd = reader::create(&home)?;
        self.read_here(id, target.clone())?;
        self.hold(id);
        Ok(Output { fd, target: Some(target) })
    }

    /// The log of a container, to write at its end.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn append(&self, id: &ContainerId, sink: &Sink) -> Result<Output> {
        let Some(target) = self.target(id, sink) else { return write_only(id, sink) };
        let fd = reader::writer(&self.home(id))?;
        self.read_here(id, target.clone())?;
        self.hold(id);
        Ok(Output { fd, target: Some(target) })
    }

    /// Where a container without a log writes: 64 KiB of memory, then every write fails as on a full disk.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn stand_in() -> Result<Output> {
        let what = || "cannot make a stand-in for a log";
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = match rustix::fs::memfd_create("container-log", flags) {
            // Before Linux 3.17: not even a beginning is kept.
            Err(Errno::NOSYS) => return Ok(Output { fd: sink::full()?, target: None }),
            other => other.tried(what)?,
        };
        rustix::fs::ftruncate(&memory, STAND_IN_BYTES).tried(what)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)
            .tried(what)?;
        Ok(Output { fd: memory, target: None })
    }

    /// Without a monitor: reads the output of a container from now on, until it is finished or this process ends.
    ///
    /// # Errors
    /// The kernel's; the container has no pipe.
    pub(crate) fn read_here(&self, id: &ContainerId, target: LogTarget) -> Result<()> {
        let Some(readers) = &self.readers else { return Ok(()) };
        let home = self.home(id);
        let what = || format!("cannot read the output of container {id}");
        if lock(readers).add(&home, target, Until::Released).tried(what)? {
            let pipe = crate::sys::wait_readable(reader::writer(&home)?).tried(what)?;
            let readers = Arc::clone(readers);
            tokio::spawn(async move {
                while let Ok(mut ready) = pipe.readable().await {
                    let progress = lock(&readers).read_of(&home);
                    match progress {
                        Progress::Empty => ready.clear_ready(),
                        Progress::More => tokio::task::yield_now().await,
                        Progress::Ended => break,
                    }
                }
            });
        }
        Ok(())
    }

    /// With a monitor: what the container writes from now on stays until it is read.
    pub(crate) fn hold(&self, id: &ContainerId) {
        let home = self.home(id);
        if self.readers.is_none()
            && let Ok(pipe) = reader::writer(&home)
        {
            lock(&self.held).insert(home, pipe);
        }
    }

    /// A container has ended: what it wrote is in its log, whose place is known also without the container's directory.
    pub(crate) fn finish(&self, id: &ContainerId, sink: &Sink) {
        let home = self.home(id);
        if let Some(readers) = &self.readers {
            lock(readers).finish(&home);
        }
        let held = lock(&self.held).remove(&home);
        if held.is_some()
            && let Some(target) = self.target(id, sink)
            && let Ok(Some(mut left)) = OutputReader::open(&home, target, Until::LastWriter)
        {
            // The monitor that read it was killed. A process that outlived the container may go on writing.
            let _all = (0..LAST_TURNS).all(|_| left.read() == Progress::More);
        }
        let place = Place::of(&home).lock();
        if let Ok(place) = &place {
            self.trimmed.set(&self.path(id, sink), place.read());
        }
        self.last_sinks.keep(id, sink, place.is_ok_and(|place| place.is_cut()));
        times::keep(&home, &self.path(id, sink), &self.kept_times(id, sink));
    }

    /// Where the last container of this id wrote, which has ended.
    pub(crate) fn last_sink(&self, id: &ContainerId) -> Sink {
        self.last_sinks.sink(id)
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
        self.look(id, sink, |log, _| log.part(from, self.most(sink, bytes)))
    }

    /// The place of what a container writes next, if its log can be read.
    pub(crate) fn end(&self, id: &ContainerId, sink: &Sink) -> Option<u64> {
        self.read(id, sink, None, 0).ok().map(|log| log.next)
    }

    /// A part of a container's output, and when it came.
    ///
    /// # Errors
    /// As with [`Self::read`].
    pub(crate) fn read_with_times(
        &self,
        id: &ContainerId,
        sink: &Sink,
        begin: LogBegin,
        bytes: u64,
    ) -> Result<(LogPart, Vec<Came>)> {
        self.look(id, sink, |log, home| {
            let mut entries = times::read(home);
            if entries.is_empty() && self.has_kept_times(id, sink) {
                entries = times::read_file(&self.kept_times(id, sink));
            }
            let all = known::all(log, &entries);
            let from = match begin {
                LogBegin::Last => None,
                LogBegin::Place(place) => Some(place),
                LogBegin::Time(time) => Some(known::first_since(log, &all, time)?),
            };
            let part = log.part(from, self.most(sink, bytes))?;
            let start = part.next - part.bytes.len() as u64;
            let came = known::between(&all, start, part.next);
            Ok((part, came))
        })
    }

    /// Where the times of a container's log are kept at its end.
    fn kept_times(&self, id: &ContainerId, sink: &Sink) -> PathBuf {
        if *sink == Sink::Log { times::kept(&self.own_path(id)) } else { self.last_sinks.times(id) }
    }

    /// Whether the times that were kept at the end of a container are those of its log. Other programs may write to a file of
    /// its own.
    fn has_kept_times(&self, id: &ContainerId, sink: &Sink) -> bool {
        match sink {
            Sink::File { path, .. } => self.last_sinks.is_as_it_was(id, path),
            _ => *sink == Sink::Log,
        }
    }

    /// The most bytes that are read at once.
    fn most(&self, sink: &Sink, bytes: u64) -> u64 {
        if *sink == Sink::Log { bytes.min(self.limit) } else { bytes }
    }

    /// Looks at a container's log, which is not cut meanwhile, and at its directory.
    fn look<T>(
        &self,
        id: &ContainerId,
        sink: &Sink,
        look: impl FnOnce(&OpenLog, &Path) -> std::io::Result<T>,
    ) -> Result<T> {
        let (home, path) = (self.home(id), self.path(id, sink));
        if let Some(readers) = &self.readers {
            lock(readers).read_of(&home);
        }
        let older = (*sink == Sink::Log).then(|| bounded_log::older(&path));
        let place = Place::of(&home).lock();
        let (gone, is_cut) = match &place {
            Ok(place) => (place.read(), place.is_cut()),
            Err(_) => (self.trimmed.of(&path), self.last_sinks.is_cut(id)),
        };
        let log = match OpenLog::open(&path, older.as_deref(), gone) {
            // It was removed or moved, by logrotate for one. What the container writes next goes into a new one.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && place.is_ok() => {
                Ok(OpenLog::empty(gone))
            }
            log => log,
        };
        log.and_then(|log| look(&log.cut(is_cut), &home)).map_err(|error| {
            if let Err(error) = sink.must_be_readable(id) {
                return error;
            }
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::System,
            };
            Error::new(kind, format!("container {id} has no log {}", path.display())).caused_by(error)
        })
    }
}

fn write_only(id: &ContainerId, sink: &Sink) -> Result<Output> {
    let fd = match sink {
        Sink::Journal { priority } => journald::stream(id, *priority)?,
        _ => sink::null()?,
    };
    Ok(Output { fd, target: None })
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
