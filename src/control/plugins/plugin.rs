//! What a plugin is: the points at which it acts, and what it is handed.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;

use nix::mount::{MntFlags, umount2};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::control::container::Container;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::control::plugins::data;
use crate::control::state::container_dir::ContainerDir;
use crate::control::tasks::in_thread;
use crate::dobby::schema::{self, Schema};
use crate::error::{Result, Tried};

/// PluginFuture that may wait: for a program, or for a thread that the kernel may hold up.
pub(crate) type PluginFuture<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What a plugin does for a container. A method that it does not have does nothing.
pub(crate) trait Plugin: Sync {
    /// Its name in `rdkPlugins`.
    fn name(&self) -> &'static str;

    /// The form of its data, which is checked when a configuration is read.
    fn schema(&self) -> Schema {
        schema::members(self.name()).unwrap_or_default()
    }

    /// Whether a container must never run without it, whatever its configuration says.
    fn is_vital(&self) -> bool {
        false
    }

    /// Changes the configuration that the runtime gets (`preCreation`). Once, before the first start.
    ///
    /// # Errors
    /// When it cannot do its work; the configuration is as before then, for a container that can do without.
    fn configure(&self, _job: &Invocation<'_>, _config: &mut Value) -> Result<()> {
        Ok(())
    }

    /// Prepares the host (`preCreation`). Before each start. It may give a descriptor, which the container finds under
    /// the number [`Invocation::descriptor`].
    ///
    /// # Errors
    /// When it cannot do its work. What it did so far is for [`Plugin::post_stop`].
    fn prepare<'a>(
        &'a self,
        _job: &'a Invocation<'a>,
        _config: &'a Value,
    ) -> PluginFuture<'a, Option<Passed>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether [`Plugin::create_runtime`] has anything to do: it costs another call of the runtime.
    fn wants_process(&self, _job: &Invocation<'_>) -> bool {
        false
    }

    /// The container is there, its first process is `pid`, and its program does not run yet (`createRuntime`).
    ///
    /// # Errors
    /// When it cannot do its work. What it did so far is for [`Plugin::post_stop`].
    fn create_runtime<'a>(&'a self, _job: &'a Invocation<'a>, _pid: i32) -> PluginFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The program has ended, and the runtime still has the container (`postHalt`). After each end, and after a start
    /// that failed; possibly more than once.
    ///
    /// # Errors
    /// When something is lost; it is logged, and the clean-up goes on.
    fn post_halt<'a>(&'a self, _site: &'a ContainerRef<'a>, _exit: ExitStatus) -> PluginFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The runtime does not have the container any more (`postStop`). After each end, and after a start that failed;
    /// possibly more than once. Its directory goes when it is the `last` time.
    ///
    /// # Errors
    /// When something stays; it is logged, and the clean-up goes on.
    fn post_stop<'a>(&'a self, _site: &'a ContainerRef<'a>, _last: bool) -> PluginFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The number of the first descriptor that a plugin hands to a container: behind the standard streams.
pub(crate) const FIRST_PASSED: i32 = 3;

/// A descriptor that a plugin hands to a container.
#[derive(Debug)]
pub(crate) enum Passed {
    /// Of its own.
    File(OwnedFd),
    /// The one that the container writes its output to.
    Output,
}

impl Passed {
    /// The descriptor, given where the `output` goes.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn resolve(self, output: &OwnedFd) -> Result<OwnedFd> {
        match self {
            Self::File(file) => Ok(file),
            Self::Output => output.try_clone().tried(|| "cannot duplicate the descriptor of the output"),
        }
    }
}

/// Does work that the kernel may hold up, in a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    in_thread(work).await.tried(|| "cannot do the work of a plugin in a thread")?
}

/// Takes away what is mounted on `place`, if anything is.
pub(crate) fn unmount(place: &Path) -> Result<()> {
    match umount2(place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) | Err(nix::Error::EINVAL | nix::Error::ENOENT) => Ok(()),
        Err(error) => {
            Err(std::io::Error::from(error)).tried(|| format!("cannot unmount {}", place.display()))
        }
    }
}

/// Which container it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContainerRef<'a> {
    pub(crate) id: &'a ContainerId,
    pub(crate) dir: &'a ContainerDir,
}

impl<'a> ContainerRef<'a> {
    pub(crate) fn of(container: &'a Container) -> Self {
        Self { id: &container.id, dir: &container.dir }
    }
}

/// What a plugin is to do for a container that starts.
pub(crate) struct Invocation<'a> {
    pub(crate) container: ContainerRef<'a>,
    /// The plugin's `data`: an object of the form that [`crate::dobby`] checks, or null.
    pub(crate) data: &'a Value,
    /// The number that the container finds the plugin's descriptor under, if it hands one over.
    pub(crate) descriptor: i32,
    /// The file with Dobby's own settings, which need not exist.
    pub(crate) dobby_settings: &'a Path,
}

impl Invocation<'_> {
    /// The plugin's data as its own type.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it has another form.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T> {
        data::read(self.data)
    }
}
