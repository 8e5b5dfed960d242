//! The handle to everything.

use std::time::Duration;

use tokio::sync::broadcast;

use super::{
    ContainerId, Event, ExecLimits, ExecOutput, ExecRequest, ExitStatus, Health, Listed, Settings,
    StartRequest, State,
};
use crate::error::{Error, ErrorKind, Result};

/// A handle to all containers; a clone costs a reference count. `Send` and `Sync`, as are all its futures.
///
/// When the last clone is dropped, the background work ends and the state directory is free for the next one;
/// the containers go on.
#[derive(Debug, Clone)]
pub struct Manager {
    events: broadcast::Sender<Event>,
}

fn not_yet<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "this is not built yet"))
}

impl Manager {
    /// Takes the state directory, adopts the containers that run and cleans up those that ended meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when another daemon holds the state directory.
    pub async fn open(_settings: Settings) -> Result<Self> {
        Ok(Self { events: broadcast::Sender::new(1024) })
    }

    /// All containers, in the order of their starts; those that are starting or stopping included.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        Vec::new()
    }

    /// The container with this id, or with this descriptor in decimal.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::Input`] when it cannot be an id.
    pub fn resolve(&self, _id_or_descriptor: &str) -> Result<ContainerId> {
        not_yet()
    }

    /// The state of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub fn state(&self, _id: &ContainerId) -> Result<State> {
        not_yet()
    }

    /// The `info` object of `getContainerInfo`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    pub async fn info(&self, _id: &ContainerId) -> Result<serde_json::Value> {
        not_yet()
    }

    /// Starts a container and gives its descriptor, once its program runs.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the id is taken; others with the runtime's reason. Nothing is left behind then.
    pub async fn start(&self, _request: StartRequest) -> Result<i32> {
        not_yet()
    }

    /// Tells a container to stop: SIGTERM, and SIGKILL after the stop timeout; SIGKILL at once when `force`.
    /// Returns once the signal is sent. A paused container is resumed so that the signal reaches it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; the kernel's when the signal cannot be sent.
    pub async fn stop(&self, _id: &ContainerId, _force: bool) -> Result<()> {
        not_yet()
    }

    /// Freezes a running container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] in any state but Running; the runtime's.
    pub async fn pause(&self, _id: &ContainerId) -> Result<()> {
        not_yet()
    }

    /// Thaws a paused container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] in any state but Paused; the runtime's.
    pub async fn resume(&self, _id: &ContainerId) -> Result<()> {
        not_yet()
    }

    /// Launches a command in a running container and returns; its output goes to the container's log.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Busy`] unless Running, [`ErrorKind::Input`] for a bad option.
    pub async fn exec(&self, _id: &ContainerId, _request: ExecRequest) -> Result<()> {
        not_yet()
    }

    /// Runs a command in a running container to its end and gives its exit status and output. Dropping the
    /// future kills the command.
    ///
    /// # Errors
    /// As [`Manager::exec`].
    pub async fn exec_wait(
        &self,
        _id: &ContainerId,
        _request: ExecRequest,
        _limits: ExecLimits,
    ) -> Result<ExecOutput> {
        not_yet()
    }

    /// Deletes a container with all its state, and returns when it is gone and its dumps are harvested.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Busy`] when it runs and `force` is false; the runtime's.
    pub async fn delete(&self, _id: &ContainerId, _force: bool) -> Result<()> {
        not_yet()
    }

    /// Waits until a container is gone (its Stopped event was sent) and tells how it ended. Works for the last
    /// containers that ended, too.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Timeout`].
    pub async fn wait(&self, _id: &ContainerId, _timeout: Option<Duration>) -> Result<ExitStatus> {
        not_yet()
    }

    /// The last bytes of a container's output; also of one that ended, as long as its log exists.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no log, [`ErrorKind::Input`] when it cannot be an id.
    pub fn logs(&self, _id: &str, _last_bytes: u64) -> Result<Vec<u8>> {
        not_yet()
    }

    /// A receiver of everything that happens from now on. A slow receiver loses the oldest events, and is told.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// What the daemon cannot do at the moment.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::default()
    }
}
