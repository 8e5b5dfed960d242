//! Where a container writes: the daemon's log, a file of its owner's, the journal, or nowhere.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::control::model::id::ContainerId;
use crate::control::output::journald;
use crate::dobby::runtime::OutputTarget;
use crate::error::{Error, ErrorKind, Result, Tried};

/// Where a container writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sink {
    /// The daemon's log of it.
    #[default]
    Log,
    /// A file.
    File {
        /// The file.
        path: PathBuf,
        /// The most bytes in it; `None` for no limit.
        limit: Option<u64>,
    },
    /// The journal, with this priority of syslog(3).
    Journal {
        /// 0 is the most urgent, 7 the least.
        priority: usize,
    },
    /// Nowhere.
    Discard,
}

impl Sink {
    /// Whether what is written there cannot be read again.
    pub(crate) fn is_write_only(&self) -> bool {
        matches!(self, Self::Journal { .. } | Self::Discard)
    }

    /// Refuses a place from which nothing can be read.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], which says where the output of the container `id` goes.
    pub(crate) fn must_be_readable(&self, id: &ContainerId) -> Result<()> {
        let (place, advice) = match self {
            Self::Log | Self::File { .. } => return Ok(()),
            Self::Journal { .. } => ("to the journal", format!("read it with journalctl -t {id}")),
            Self::Discard => (
                "nowhere",
                "its configuration says so (logging, sink devnull); take the plugin out to have a log"
                    .to_owned(),
            ),
        };
        let what = format!("container {id} has no log: its output goes {place}");
        Err(Error::new(ErrorKind::NotFound, what).advise(advice))
    }

    /// The place that a configuration names.
    pub(crate) fn of(output: &OutputTarget) -> Self {
        match output {
            OutputTarget::Unsaid => Self::Log,
            OutputTarget::Journal { priority } if journald::exists() => {
                Self::Journal { priority: journald::priority(priority.as_deref()) }
            }
            OutputTarget::Journal { .. } => {
                log::warn!("this host has no journal: the output goes to the daemon's log");
                Self::Log
            }
            OutputTarget::Discard => Self::Discard,
            OutputTarget::File { path, limit } => Self::File { path: path.clone(), limit: *limit },
        }
    }
}

/// Opens a file of output to write at its end. Who may write to its directory must not lead us elsewhere, and a FIFO
/// must not hold us up.
///
/// # Errors
/// [`ErrorKind::Config`] for what is not a regular file; the kernel's.
pub(crate) fn open(path: &Path, more: OFlags) -> Result<OwnedFd> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(Error::new(ErrorKind::Config, format!("the log {shown} is not an absolute path")));
    }
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags | more, Mode::from_raw_mode(0o640))
        .tried(|| format!("cannot open the log {shown}"))?;
    let kind = rustix::fs::fstat(&file).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if kind.tried(|| format!("cannot look at {shown}"))? != FileType::RegularFile {
        return Err(Error::new(ErrorKind::Config, format!("the log {shown} is not a regular file")));
    }
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND).tried(|| format!("cannot use {shown}"))?;
    Ok(file)
}

/// A null device of our own: a runtime gives its standard streams to the container's user, and the host's
/// `/dev/null` must not be given away. Its node lies in `/dev` for a moment, where devices work.
///
/// # Errors
/// The kernel's.
pub(crate) fn null() -> Result<OwnedFd> {
    memory_device("null", 3)
}

/// Where every write fails as on a full disk.
///
/// # Errors
/// The kernel's.
pub(crate) fn full() -> Result<OwnedFd> {
    memory_device("full", 7)
}

/// One of the kernel's memory devices (mem(4)), by a node of its own: a runtime gives the node to the container's user.
fn memory_device(name: &str, minor: u32) -> Result<OwnedFd> {
    let node = PathBuf::from(format!("/dev/.ocicontainer-{name}-{}", std::process::id()));
    let what = || format!("cannot make {}", node.display());
    let _left_by_one_before = std::fs::remove_file(&node);
    let device = rustix::fs::makedev(1, minor);
    rustix::fs::mknodat(CWD, &node, FileType::CharacterDevice, Mode::from_raw_mode(0o600), device)
        .tried(what)?;
    let opened = rustix::fs::open(&node, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let removed = std::fs::remove_file(&node);
    removed.tried(|| format!("cannot remove {}", node.display()))?;
    opened.tried(what)
}
