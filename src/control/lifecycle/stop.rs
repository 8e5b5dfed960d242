//! Stops, freezes, thaws and deletes containers.

use std::sync::Arc;

use rustix::process::Signal;

use crate::control::container::{Container, Fate, Phase};
use crate::control::lifecycle::context::Shared;
use crate::control::model::id::ContainerId;
use crate::control::model::state::{ExitStatus, State};
use crate::control::process::handle::Process;
use crate::error::{Error, ErrorKind, Result};

impl Shared {
    /// Sends SIGTERM, or SIGKILL with `force`, and returns; SIGKILL follows after the stop timeout.
    pub(crate) async fn stop(self: &Arc<Self>, id: &ContainerId, force: bool) -> Result<()> {
        let container = self.find(id)?;
        container.let_go();
        // A start in progress is waited for: what is stopped then is the container, not half of one.
        let _change = container.change.lock().await;
        match container.phase() {
            Phase::Starting => return Err(crate::control::lifecycle::context::no_container(id.as_str())),
            Phase::Undeletable => return Ok(()),
            Phase::Stopping if !force => return Ok(()),
            Phase::Stopping | Phase::Up => {}
        }
        let Some(init) = container.init().cloned() else { return Ok(()) };
        let signal = if force { Signal::KILL } else { Signal::TERM };
        if !init.signal(signal)? {
            return Ok(());
        }
        let frozen = container.is_frozen();
        let first = container.phase() != Phase::Stopping;
        container.enter(Phase::Stopping);
        if !force && first {
            self.spawn(insist(Arc::clone(self), Arc::clone(&container), Arc::clone(&init)));
        }
        if frozen { self.thaw(id, &init).await } else { Ok(()) }
    }

    /// Thaws a frozen container that was sent a signal. With cgroup version 2, SIGKILL ends it all the same, so that
    /// there may be nothing left to thaw.
    async fn thaw(&self, id: &ContainerId, init: &Process) -> Result<()> {
        match self.runtime.resume(id).await {
            Err(_) if !init.runs() => Ok(()),
            other => other,
        }
    }

    /// Freezes a running container.
    pub(crate) async fn pause(&self, id: &ContainerId) -> Result<()> {
        let container = self.find(id)?;
        let _change = container.change.lock().await;
        container.must_be(State::Running, "pause")?;
        self.runtime.pause(id).await
    }

    /// Thaws a paused container.
    pub(crate) async fn resume(&self, id: &ContainerId) -> Result<()> {
        let container = self.find(id)?;
        let _change = container.change.lock().await;
        container.must_be(State::Paused, "resume")?;
        self.runtime.resume(id).await
    }

    /// Deletes a container, killing it first with `force`, and returns when it is gone.
    pub(crate) async fn delete(self: &Arc<Self>, id: &ContainerId, force: bool) -> Result<()> {
        let container = self.find(id)?;
        match container.phase() {
            Phase::Undeletable => return self.delete_again(&container).await,
            Phase::Stopping => container.let_go(),
            _ if !force => {
                let what = format!("container {id} is {}", container.state());
                return Err(Error::new(ErrorKind::Busy, what).advise("stop it first, or force the deletion"));
            }
            _ => {}
        }
        if force {
            self.stop(id, true).await?;
        }
        let patience = self.settings.stop_timeout + self.settings.runtime_timeout * 2;
        match tokio::time::timeout(patience, container.gone()).await {
            Ok(_) if container.phase() == Phase::Undeletable => self.delete_again(&container).await,
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("container {id} does not end"))),
        }
    }

    /// Waits until a container is gone.
    pub(crate) async fn wait(&self, id: &ContainerId) -> Result<ExitStatus> {
        let Some(container) = self.look_up(id) else {
            return self
                .remembered(id)
                .ok_or_else(|| crate::control::lifecycle::context::no_container(id.as_str()));
        };
        match container.gone().await {
            Fate::Ended(exit) => Ok(exit),
            Fate::Open | Fate::NeverStarted => {
                Err(Error::new(ErrorKind::NotFound, format!("container {id} did not start")))
            }
        }
    }
}

/// Kills a container that ignores SIGTERM.
async fn insist(shared: Arc<Shared>, container: Arc<Container>, init: Arc<Process>) {
    let id = &container.id;
    if tokio::time::timeout(shared.settings.stop_timeout, container.gone()).await.is_ok() || !init.runs() {
        return;
    }
    log::warn!("container {id} ignores SIGTERM and is killed");
    if let Err(error) = init.signal(Signal::KILL) {
        log::error!("container {id}: {}", error.report());
    }
    // Frozen again by somebody: only a thawed process dies (cgroup version 1).
    if container.is_frozen()
        && let Err(error) = shared.thaw(id, &init).await
    {
        log::error!("container {id}: {}", error.report());
    }
    if tokio::time::timeout(shared.settings.stop_timeout, container.gone()).await.is_err() && init.runs() {
        let sentence = format!("container {id} does not even end after SIGKILL");
        shared.trouble(&format!("container {id}"), Some(sentence));
        container.gone().await;
        if container.phase() != Phase::Undeletable {
            shared.trouble(&format!("container {id}"), None);
        }
    }
}
