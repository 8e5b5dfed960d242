//! The plugins of Dobby that there is a stand-in for: one file each, and one line in [`ALL`].
//!
//! A plugin acts at the points of Dobby's hooks that carry these names. What it must undo or bring home later it
//! leaves in the container's own directory, before it does it: the daemon that starts a container need not be the
//! one that sees its end, so [`Plugin::halted`] and [`Plugin::stopped`] go by that directory alone.

mod chain;
mod devicemapper;
mod edit;
mod gpu;
mod ipc;
mod localtime;
mod logging;
mod minidump;
mod nat;
mod networking;
mod oomcrash;
mod resolver;
mod rtscheduling;
mod storage;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;

use nix::mount::{MntFlags, umount2};
use serde_json::Value;

use super::container::Container;
use super::shelf::Shelf;
use super::{ContainerId, ExitStatus};
use crate::error::{Error, ErrorKind, Result, Tried};

pub(super) use chain::{Chain, halted, stopped};
pub(super) use edit::make_mount_points;

/// Every plugin by its name in `rdkPlugins`.
const ALL: &[(&str, &dyn Plugin)] = &[
    ("devicemapper", &devicemapper::DeviceMapper),
    ("gpu", &gpu::Gpu),
    ("ipc", &ipc::Ipc),
    ("localtime", &localtime::LocalTime),
    ("logging", &logging::Logging),
    ("minidump", &minidump::Minidump),
    ("networking", &networking::Networking),
    ("oomcrash", &oomcrash::OomCrash),
    ("rtscheduling", &rtscheduling::RtScheduling),
    ("storage", &storage::Storage),
];

/// Work that may wait: for a program, or for a thread that the kernel may hold up.
type Work<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What a plugin does for a container. What it does not say, it does not do.
trait Plugin: Sync {
    /// Whether a container must never run without it, whatever its configuration says.
    fn is_vital(&self) -> bool {
        false
    }

    /// Changes the configuration that the runtime gets (`preCreation`). Once, before the first start.
    ///
    /// # Errors
    /// When it cannot do its work; the configuration is as before then, for a container that can do without.
    fn configure(&self, _job: &Job<'_>, _config: &mut Value) -> Result<()> {
        Ok(())
    }

    /// Prepares the host (`preCreation`). Before each start. It may give a descriptor, which the container finds under
    /// the number [`PASSED`]; only one plugin may.
    ///
    /// # Errors
    /// When it cannot do its work. What it did so far is for [`Plugin::stopped`].
    fn prepare<'a>(&'a self, _job: &'a Job<'a>, _config: &'a Value) -> Work<'a, Option<OwnedFd>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether [`Plugin::created`] has anything to do: it costs another call of the runtime.
    fn wants_process(&self, _job: &Job<'_>) -> bool {
        false
    }

    /// The container is there, its first process is `pid`, and its program does not run yet (`createRuntime`).
    ///
    /// # Errors
    /// When it cannot do its work. What it did so far is for [`Plugin::stopped`].
    fn created<'a>(&'a self, _job: &'a Job<'a>, _pid: i32) -> Work<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The program has ended, and the runtime still has the container (`postHalt`). After each end, and after a start
    /// that failed; possibly more than once.
    ///
    /// # Errors
    /// When something is lost; it is told, and the clean-up goes on.
    fn halted<'a>(&'a self, _site: &'a Site<'a>, _exit: ExitStatus) -> Work<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The runtime does not have the container any more (`postStop`). After each end, and after a start that failed;
    /// possibly more than once. Its directory goes when it is the `last` time.
    ///
    /// # Errors
    /// When something stays; it is told, and the clean-up goes on.
    fn stopped<'a>(&'a self, _site: &'a Site<'a>, _last: bool) -> Work<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The number of the descriptor that a plugin hands to a container: the first behind the standard streams.
const PASSED: i32 = 3;

/// Does work that the kernel may hold up, in a thread of its own.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::new(ErrorKind::System, "the work of a plugin broke off").caused_by(error))?
}

/// Takes away what is mounted on `place`, if anything is.
fn unmount(place: &Path) -> Result<()> {
    match umount2(place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => Ok(()),
        Err(error) => {
            Err(std::io::Error::from(error)).tried(|| format!("cannot unmount {}", place.display()))
        }
    }
}

/// Which container it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) id: &'a ContainerId,
    pub(super) shelf: &'a Shelf,
}

impl<'a> Site<'a> {
    pub(super) fn of(container: &'a Container) -> Self {
        Self { id: &container.id, shelf: &container.shelf }
    }
}

/// What a plugin is to do for a container that starts.
struct Job<'a> {
    site: Site<'a>,
    /// The plugin's `data`: an object of the form that [`crate::dobby`] checks, or null.
    data: &'a Value,
}
