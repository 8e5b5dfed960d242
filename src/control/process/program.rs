//! The runtime's program, opened on a read-only mount of its own.
//!
//! crun keeps containers from writing to its program through `/proc/PID/exe` (CVE-2019-5736). Unless the program lies on a
//! read-only mount, each call mounts it read-only, starts it again from there, and waits until the kernel has taken the mount
//! away: that is two thirds of a short call. Here it is done once for all calls.
//!
//! A program that is started so has the same file and another path. Where a security module goes by paths, or lets nothing
//! change its domain on such a mount, the runtime is started by its path.

use std::fs::Metadata;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::CWD;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::control::model::state::ExitStatus;
use crate::control::process::helper::{Helper, Streams};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::security_modules;

/// The program that starts itself again.
const NAME: &str = "crun";
/// What a program begins with.
const ELF: [u8; 4] = *b"\x7fELF";
/// How long a first call may take that changes nothing.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The program of a runtime.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    /// Whether it may be opened so.
    is_eligible: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// It has not been called yet.
    Uncalled,
    /// It is being opened.
    Opening,
    /// This file is open; not if that cannot be, or it does not run so.
    Known(Identity, Option<Arc<OwnedFd>>),
}

/// What another version of a file does not have in common with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    file: (u64, u64),
    size: u64,
    changed: [(i64, i64); 2],
}

impl Program {
    pub(crate) fn new(path: PathBuf) -> Self {
        let is_eligible =
            path.file_name().is_some_and(|name| name == NAME) && !security_modules::may_go_by_files();
        Self { path, is_eligible, state: Mutex::new(State::Uncalled) }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The program on its read-only mount; it is opened in the background by the first call, and again when another file has
    /// its path. Without it, the program is started by its path.
    pub(crate) fn opened(self: &Arc<Self>) -> Option<Arc<OwnedFd>> {
        let identity = self.is_eligible.then(|| std::fs::metadata(&self.path).ok()).flatten();
        let identity = Identity::of(&identity?);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Opening => None,
            State::Known(known, file) if *known == identity => file.clone(),
            State::Uncalled | State::Known(..) => {
                *state = State::Opening;
                tokio::spawn(Arc::clone(self).open());
                None
            }
        }
    }

    async fn open(self: Arc<Self>) {
        let opened = mount_read_only(&self.path);
        let known = match opened {
            Ok((identity, file)) => {
                let file = Arc::new(file);
                let runs = self.runs_from(&file).await;
                log_failure(&self.path, runs.as_ref().err());
                State::Known(identity, runs.is_ok().then_some(file))
            }
            Err(error) => {
                log_failure(&self.path, Some(&error));
                std::fs::metadata(&self.path)
                    .map_or(State::Uncalled, |metadata| State::Known(Identity::of(&metadata), None))
            }
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Tries it with a call that changes nothing.
    async fn runs_from(&self, file: &Arc<OwnedFd>) -> Result<()> {
        let mut helper =
            Helper::opened(&self.path, Some(Arc::clone(file)), Streams::Captured(0), TRIAL_TIMEOUT);
        helper.args(["--version"]);
        match helper.run().await?.exit {
            ExitStatus::Code(0) => Ok(()),
            exit => Err(Error::new(ErrorKind::System, format!("it failed with {exit}"))),
        }
    }
}

fn log_failure(path: &Path, error: Option<&Error>) {
    if let Some(error) = error {
        log::debug!("{} is started by its path: {}", path.display(), error.report());
    }
}

/// Opens a file on a mount of its own that is read-only.
fn mount_read_only(path: &Path) -> Result<(Identity, OwnedFd)> {
    let what = || format!("cannot mount {} read-only", path.display());
    let mut begin = [0; ELF.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut begin)).tried(what)?;
    if begin != ELF {
        return Err(Error::new(ErrorKind::Unsupported, "it is a script, which may look at its path"));
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let file = open_tree(CWD, path, flags).tried(what)?;
    let read_only = MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into();
    crate::sys::mount_attributes(file.as_fd(), read_only, false).tried(what)?;
    let file = std::fs::File::from(file);
    let metadata = file.metadata().tried(what)?;
    Ok((Identity::of(&metadata), file.into()))
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        let changed = [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())];
        Self { file: (metadata.dev(), metadata.ino()), size: metadata.size(), changed }
    }
}
