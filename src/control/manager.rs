//! The handle to everything.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;

use crate::control::container::Container;
use crate::control::lifecycle::context::{Shared, no_container};
use crate::control::lifecycle::recover;
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::request::{ExecLimits, ExecOutput, ExecRequest, StartRequest};
use crate::control::model::state::{ExitStatus, Health, Listed, State};
use crate::control::output::log_store::Output;
use crate::control::output::read::LogPart;
use crate::control::process::{reaper, tree};
use crate::control::settings::Settings;
use crate::control::{health, stats};
use crate::error::{Error, ErrorKind, Result};

/// How long the processes of a container may take to be read.
const READ_TIME: Duration = Duration::from_millis(500);
/// The stack of the thread that reads them, in bytes.
const READER_STACK: usize = 256 * 1024;

/// A handle to all containers; a clone costs a reference count. `Send` and `Sync`, as are all its futures.
///
/// When the last clone is dropped, the background work ends and the state directory is free for the next one;
/// the containers go on.
#[derive(Debug, Clone)]
pub struct Manager {
    handle: Arc<Handle>,
}

/// Ends the background work with the last clone.
#[derive(Debug)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Manager {
    /// Takes the state directory, adopts the containers that run and cleans up those that ended meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when another daemon holds the state directory.
    pub async fn open(settings: Settings) -> Result<Self> {
        let lock = recover::take(&settings.state_dir).await?;
        let output = Output::open(settings.log_dir.clone(), settings.log_limit)?;
        let shared = Arc::new(Shared::new(settings, output, lock));
        reaper::adopt_orphans()?;
        shared.spawn(reaper::serve()?);
        let logs = Arc::clone(&shared);
        shared.spawn(async move { logs.output.serve().await });
        shared.adopt_all()?;
        shared.sweep();
        Ok(Self { handle: Arc::new(Handle(shared)) })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }

    /// All containers, in the order of their starts; those that are starting or stopping included.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let containers = self.shared().all();
        containers.iter().map(|c| Listed { descriptor: c.descriptor, id: c.id.clone() }).collect()
    }

    /// The container with this id, or with this descriptor in decimal.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Input`] when it cannot be an id.
    pub fn resolve(&self, id_or_descriptor: &str) -> Result<ContainerId> {
        // No id is all digits.
        if let Ok(descriptor) = id_or_descriptor.parse::<i32>() {
            let containers = self.shared().all();
            let found = containers.iter().find(|container| container.descriptor == descriptor);
            return found.map(|c| c.id.clone()).ok_or_else(|| no_container(id_or_descriptor));
        }
        let id = id_or_descriptor.parse()?;
        self.shared().find(&id)?;
        Ok(id)
    }

    /// The state of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub fn state(&self, id: &ContainerId) -> Result<State> {
        Ok(self.shared().find(id)?.state())
    }

    /// The `info` object of `getContainerInfo`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub async fn info(&self, id: &ContainerId) -> Result<Value> {
        let container = self.shared().find(id)?;
        let pids = stats::pids(container.cgroups()).unwrap_or_else(|| {
            // Without a cgroup of its own, its processes are its init's descendants.
            container.init().map_or_else(Vec::new, |init| tree::members(init.identity().pid))
        });
        let processes = processes(&container, pids.clone()).await;
        Ok(stats::info(id.as_str(), container.state().name(), container.cgroups(), &pids, processes))
    }

    /// Starts a container and gives its descriptor, once its program runs.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the id is taken; others with the runtime's reason. Nothing is left behind then.
    pub async fn start(&self, request: StartRequest) -> Result<i32> {
        self.shared().start(request).await
    }

    /// Tells a container to stop: SIGTERM, and SIGKILL after the stop timeout; SIGKILL at once when `force`.
    /// Returns once the signal is sent. A paused container is resumed so that the signal reaches it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's when the signal cannot be sent.
    pub async fn stop(&self, id: &ContainerId, force: bool) -> Result<()> {
        self.shared().stop(id, force).await
    }

    /// Freezes a running container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] in any state but Running; the runtime's.
    pub async fn pause(&self, id: &ContainerId) -> Result<()> {
        self.shared().pause(id).await
    }

    /// Thaws a paused container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] in any state but Paused; the runtime's.
    pub async fn resume(&self, id: &ContainerId) -> Result<()> {
        self.shared().resume(id).await
    }

    /// Launches a command in a running container and returns; its output goes to the container's log.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Busy`] unless Running, [`ErrorKind::Input`] for a bad option.
    pub async fn exec(&self, id: &ContainerId, request: ExecRequest) -> Result<()> {
        self.shared().exec(id, request).await
    }

    /// Runs a command in a running container to its end and gives its exit status and output. Dropping the
    /// future kills the command.
    ///
    /// # Errors
    /// As [`Manager::exec`].
    pub async fn exec_wait(
        &self,
        id: &ContainerId,
        request: ExecRequest,
        limits: ExecLimits,
    ) -> Result<ExecOutput> {
        self.shared().exec_wait(id, request, limits).await
    }

    /// Deletes a container with all its state, and returns when it is gone and its dumps are harvested.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] when it runs and `force` is false; the runtime's.
    pub async fn delete(&self, id: &ContainerId, force: bool) -> Result<()> {
        self.shared().delete(id, force).await
    }

    /// Waits until a container is gone (its Stopped event was sent) and tells how it ended. Works for the last
    /// containers that ended, too.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Timeout`].
    pub async fn wait(&self, id: &ContainerId, timeout: Option<Duration>) -> Result<ExitStatus> {
        let wait = self.shared().wait(id);
        let Some(timeout) = timeout else { return wait.await };
        tokio::time::timeout(timeout, wait).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("container {id} has not ended in time")))
        })
    }

    /// Up to `bytes` of a container's output: those from the place `from` on, which an earlier call gave, or else the
    /// last ones. Also of one that ended, as long as its log exists.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no log, [`ErrorKind::Input`] when it cannot be an id.
    pub fn logs(&self, id: &str, from: Option<u64>, bytes: u64) -> Result<LogPart> {
        let id = id.parse()?;
        let container = self.shared().look_up(&id);
        let sink = container.map(|container| container.wanted().sink.clone()).unwrap_or_default();
        self.shared().output.read(&id, &sink, from, bytes)
    }

    /// A receiver of everything that happens from now on. A slow receiver loses the oldest events, and is told.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.shared().events.subscribe()
    }

    /// What became of containers that an earlier daemon started, so far as it was told before `receiver` came or has
    /// received it: for a client that lost that daemon. There is nothing any more a minute after the start.
    #[must_use]
    pub fn found(&self, receiver: &broadcast::Receiver<Event>) -> Vec<Event> {
        self.shared().found.before(receiver.len())
    }

    /// What the daemon cannot do at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut degraded = self.shared().troubles();
        let settings = &self.shared().settings;
        degraded.extend(health::trouble("containers' output is lost", &settings.log_dir));
        degraded.extend(health::trouble("no container can start", &settings.state_dir));
        Health { degraded }
    }
}

/// The processes of a container, or null when the container keeps them from being read. At most one thread per
/// container is lost to such a one.
async fn processes(container: &Container, pids: Vec<i32>) -> Value {
    if container.being_read.swap(true, Ordering::AcqRel) {
        return Value::Null;
    }
    let being_read = Arc::clone(&container.being_read);
    let (sender, reading) = tokio::sync::oneshot::channel();
    let read = move || {
        let processes = stats::processes(&pids);
        being_read.store(false, Ordering::Release);
        // Nobody waits any more for what took too long.
        let _late = sender.send(processes);
    };
    // Not tokio's threads: it panics when there can be none.
    if let Err(error) = std::thread::Builder::new().stack_size(READER_STACK).spawn(read) {
        log::warn!("cannot read the processes of container {}: {error}", container.id);
        container.being_read.store(false, Ordering::Release);
    }
    match tokio::time::timeout(READ_TIME, reading).await {
        Ok(Ok(processes)) => processes,
        _ => Value::Null,
    }
}
