//! Reads what a container writes, from a pipe or a terminal into its log.
//!
//! The pipe has a name in the container's directory, so that another process can go on reading when the one that reads is
//! killed. The container has its end open to read as well as to write: without a reader it never gets SIGPIPE, and waits
//! only when the pipe is full.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use crate::control::output::bounded_log::{BoundedLog, LogTarget};
use crate::control::output::place::Place;
use crate::control::output::terminal::{Came, Terminal};
use crate::control::output::times::writer::Times;
use crate::error::{Result, Tried};

/// The pipe's name.
const PIPE: &str = "output";
/// How much is read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;
/// How many chunks are read in a row, while others wait.
const TURN: usize = 16;

/// How far a reader got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is nothing more at the moment.
    Empty,
    /// Its turn is over, and there is more.
    More,
    /// No process has the pipe open to write any more.
    Ended,
}

/// When the output of a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Once the end of the container is known, by [`OutputReader::release`], and no process has the pipe open.
    Released,
    /// Once no process has the pipe open: this reader does not learn when the container ends.
    LastWriter,
}

/// What reads the output of one container.
#[derive(Debug)]
pub(crate) struct OutputReader {
    dir: PathBuf,
    source: Source,
    /// A terminal's output goes nowhere when the log could not be opened.
    log: Option<BoundedLog>,
}

/// What is read.
#[derive(Debug)]
enum Source {
    Pipe {
        pipe: File,
        /// Held while it is read. The container has no way to it, unlike to the pipe.
        _lock: Arc<File>,
        /// Whether the reader is a writer, too.
        holds: bool,
    },
    /// No other process reads it: it has no name by which it could be opened.
    Terminal(Terminal),
}

/// Makes the pipe of a container and gives its end.
///
/// # Errors
/// The kernel's.
pub(crate) fn create(dir: &Path) -> Result<OwnedFd> {
    let path = dir.join(PIPE);
    let _earlier = std::fs::remove_file(&path);
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .tried(|| format!("cannot make the pipe {}", path.display()))?;
    writer(dir)
}

/// Whether a container has a pipe.
pub(crate) fn exists(dir: &Path) -> bool {
    dir.join(PIPE).symlink_metadata().is_ok()
}

/// The container's end of its pipe.
///
/// # Errors
/// The kernel's; the container has no pipe.
pub(crate) fn writer(dir: &Path) -> Result<OwnedFd> {
    open(dir, OFlags::RDWR).tried(|| format!("cannot open the pipe {}", dir.join(PIPE).display()))
}

fn open(dir: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(dir.join(PIPE), flags, Mode::empty())
}

impl OutputReader {
    /// Begins to read the output of the container that has this directory; `None` when another reader does.
    ///
    /// # Errors
    /// The kernel's; the container has no pipe.
    pub(crate) fn open(dir: &Path, target: LogTarget, until: Until) -> std::io::Result<Option<Self>> {
        let access = match until {
            // As a writer itself, it is never the last one to leave.
            Until::Released => OFlags::RDWR,
            Until::LastWriter => OFlags::RDONLY,
        };
        let lock = Arc::new(File::open(dir)?);
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::AGAIN) => return Ok(None),
            locked => locked?,
        }
        let pipe = open(dir, access | OFlags::NONBLOCK)?.into();
        let log = Some(BoundedLog::new(target, Place::of(dir), Times::of(Arc::clone(&lock))));
        let source = Source::Pipe { pipe, _lock: lock, holds: until == Until::Released };
        Ok(Some(Self { dir: dir.to_owned(), source, log }))
    }

    /// Begins to read the terminal of the container that has this directory.
    pub(crate) fn of_terminal(dir: &Path, terminal: Terminal, target: Option<LogTarget>) -> Self {
        let log = target.and_then(|target| {
            let home = Arc::new(File::open(dir).ok()?);
            Some(BoundedLog::new(target, Place::of(dir), Times::of(home)))
        });
        Self { dir: dir.to_owned(), source: Source::Terminal(terminal), log }
    }

    /// The terminal, if it is one.
    pub(crate) fn terminal(&self) -> Option<&Terminal> {
        match &self.source {
            Source::Terminal(terminal) => Some(terminal),
            Source::Pipe { .. } => None,
        }
    }

    /// The container's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it is a terminal that no program has open at the moment.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.terminal().is_some_and(Terminal::is_hung_up)
    }

    /// Writes what there is to the log, as far as its turn goes.
    pub(crate) fn read(&mut self) -> Progress {
        let mut buffer = vec![0; CHUNK];
        for _ in 0..TURN {
            match self.source.read(&mut buffer) {
                Came::Bytes(count) => {
                    if let Some(log) = &mut self.log {
                        log.write(buffer.get(..count).unwrap_or_default());
                    }
                }
                Came::Nothing => return Progress::Empty,
                Came::End => return Progress::Ended,
            }
        }
        Progress::More
    }

    /// From now on the source ends with the last process that has it open.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn release(&mut self) -> std::io::Result<()> {
        match &mut self.source {
            Source::Terminal(terminal) => terminal.release(),
            Source::Pipe { pipe, holds, .. } => {
                let link = format!("/proc/self/fd/{}", pipe.as_raw_fd());
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                *pipe = rustix::fs::open(&link, flags, Mode::empty())?.into();
                *holds = false;
            }
        }
        Ok(())
    }

    /// Whether it waits for the last process that has the source open.
    pub(crate) fn is_released(&self) -> bool {
        match &self.source {
            Source::Terminal(terminal) => terminal.is_released(),
            Source::Pipe { holds, .. } => !holds,
        }
    }
}

impl Source {
    fn read(&mut self, buffer: &mut [u8]) -> Came {
        let (pipe, holds) = match self {
            Self::Terminal(terminal) => return terminal.read(buffer),
            Self::Pipe { pipe, holds, .. } => (pipe, *holds),
        };
        loop {
            return match pipe.read(buffer) {
                // A packet of no bytes, which some kernels let a container write: while this one writes, too, it cannot be the end.
                Ok(0) if holds => Came::Nothing,
                Ok(0) => Came::End,
                Ok(count) => Came::Bytes(count),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Came::Nothing,
                // What cannot be read is not to be asked for again.
                Err(_) => Came::End,
            };
        }
    }
}

impl AsFd for OutputReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::Terminal(terminal) => terminal.as_fd(),
            Source::Pipe { pipe, .. } => pipe.as_fd(),
        }
    }
}
