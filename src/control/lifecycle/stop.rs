//! Stops, freezes, thaws and deletes containers.
//!
//! A stop that was accepted is kept in the container's directory: when the daemon ends before the container does, the
//! next daemon sees it through. So is a restart, which is a stop with a start behind it.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::control::container::Container;
use crate::control::lifecycle::accepted::AcceptedStop;
use crate::control::lifecycle::cleanup;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::hibernate;
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;
use crate::control::phase::{Ending, Phase};
use crate::control::process::handle::Process;
use crate::control::registry::no_container;
use crate::control::state::container_dir::STOP;
use crate::error::{Error, ErrorKind, Result};

/// How a container is to be stopped.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopOptions {
    /// SIGKILL at once.
    pub force: bool,
    /// How long SIGTERM may take until SIGKILL follows; `None`: the stop timeout of the settings.
    pub timeout: Option<Duration>,
}

/// Sends SIGTERM, or SIGKILL with `force`, and returns; SIGKILL follows after the timeout.
pub(crate) async fn stop(ctx: &Arc<Context>, id: &ContainerId, options: StopOptions) -> Result<()> {
    let container = ctx.registry.find(id)?;
    container.request_stop();
    // A start in progress is waited for: what is stopped then is the container, not half of one.
    let _change = container.change.lock().await;
    end(ctx, &container, options).await
}

/// Ends a container whose `change` the caller holds, as clients want it.
pub(crate) async fn end(ctx: &Arc<Context>, container: &Arc<Container>, options: StopOptions) -> Result<()> {
    let accepted = AcceptedStop::now(ctx, container, options.timeout);
    let (init, is_first) = match container.phase() {
        Phase::Starting | Phase::Gone(Ending::NeverStarted) => {
            return Err(no_container(container.id.as_str()));
        }
        Phase::Running(init)
        | Phase::Hibernating(init)
        | Phase::Hibernated(init)
        | Phase::Awakening(init) => (init, true),
        Phase::Stopping(init) if options.force => (init, false),
        Phase::Stopping(init) => {
            join(ctx, container, init, accepted);
            return Ok(());
        }
        Phase::CleaningUp => {
            accepted.save(container);
            return Ok(());
        }
        Phase::Undeletable(_) | Phase::Gone(_) => return Ok(()),
    };
    accepted.save(container);
    let stopped = if options.force {
        kill(ctx, container, &init, is_first).await
    } else {
        terminate(ctx, container, &init, accepted).await
    };
    if stopped.is_err() && !matches!(container.phase(), Phase::Stopping(_)) {
        container.dir.discard(STOP);
    }
    stopped
}

/// Adds what another client wants to a stop in progress: SIGKILL may come sooner, a restart may follow or not.
fn join(ctx: &Arc<Context>, container: &Arc<Container>, init: Arc<Process>, wanted: AcceptedStop) {
    // What was accepted before could not be kept when the disk was full.
    let before = AcceptedStop::read(ctx, container);
    let joined = before.map_or(wanted, |before| before.joined(wanted));
    if before != Some(joined) {
        joined.save(container);
    }
    if before.is_none_or(|before| joined.kill_at < before.kill_at) {
        let (shared, stopping) = (Arc::clone(ctx), Arc::clone(container));
        ctx.tasks.spawn(escalate_to_kill(shared, stopping, init, joined.time_left(ctx)));
    }
}

/// Sends SIGKILL.
async fn kill(ctx: &Context, container: &Container, init: &Arc<Process>, is_first: bool) -> Result<()> {
    if !init.signal(Signal::KILL)? {
        return Ok(());
    }
    let is_frozen = container.is_frozen();
    if is_first {
        mark_stopping(ctx, container, init);
    }
    if is_frozen { thaw(ctx, &container.id, init).await } else { Ok(()) }
}

/// Sends SIGTERM, unless that was done, and has SIGKILL follow.
async fn terminate(
    ctx: &Arc<Context>,
    container: &Arc<Container>,
    init: &Arc<Process>,
    accepted: AcceptedStop,
) -> Result<()> {
    if !accepted.signalled {
        hibernate::end(ctx, container).await;
        if !init.signal(Signal::TERM)? {
            return Ok(());
        }
        accepted.once_signalled().save(container);
    }
    let is_frozen = container.is_frozen();
    mark_stopping(ctx, container, init);
    let (shared, stopping) = (Arc::clone(ctx), Arc::clone(container));
    ctx.tasks.spawn(escalate_to_kill(shared, stopping, Arc::clone(init), accepted.time_left(ctx)));
    if is_frozen { thaw(ctx, &container.id, init).await } else { Ok(()) }
}

fn mark_stopping(ctx: &Context, container: &Container, init: &Arc<Process>) {
    cleanup::transition(container, Phase::Stopping(Arc::clone(init)));
    cleanup::announce_state_once(ctx, container, State::Stopping);
}

/// What clients of an earlier daemon wanted of a container that has run, before anything is done with it. Whether it was
/// asked to end by then.
pub(crate) fn recall(ctx: &Context, container: &Container) -> bool {
    let accepted = AcceptedStop::read(ctx, container);
    match accepted {
        Some(AcceptedStop { restart: true, .. }) => container.request_restart(),
        Some(_) => container.request_stop(),
        None => {}
    }
    accepted.is_some_and(|accepted| accepted.signalled)
}

/// Sees the stop through that an earlier daemon had accepted for a container that it left. Whether there is one.
pub(crate) fn recover(ctx: &Arc<Context>, container: &Arc<Container>) -> bool {
    let Some(accepted) = AcceptedStop::read(ctx, container) else { return false };
    let (ctx, container) = (Arc::clone(ctx), Arc::clone(container));
    let tasks = ctx.tasks.clone();
    tasks.spawn(async move {
        let _change = container.change.lock().await;
        let init = match container.phase() {
            Phase::Running(init)
            | Phase::Hibernating(init)
            | Phase::Hibernated(init)
            | Phase::Awakening(init) => init,
            _ => return,
        };
        log::info!("container {}: the stop that an earlier daemon accepted goes on", container.id);
        if let Err(error) = terminate(&ctx, &container, &init, accepted).await {
            log::error!("container {}: {}", container.id, error.report());
        }
    });
    true
}

/// Thaws a frozen container that was sent a signal. With cgroup version 2, SIGKILL ends it all the same, so that
/// there may be nothing left to thaw.
async fn thaw(ctx: &Context, id: &ContainerId, init: &Process) -> Result<()> {
    match ctx.runtime.resume(id).await {
        Err(_) if init.has_ended() => Ok(()),
        other => other,
    }
}

/// Kills a container that ignores SIGTERM.
async fn escalate_to_kill(
    ctx: Arc<Context>,
    container: Arc<Container>,
    init: Arc<Process>,
    patience: Duration,
) {
    let id = &container.id;
    if tokio::time::timeout(patience, container.ending()).await.is_ok() || init.has_ended() {
        return;
    }
    log::warn!("container {id} ignores SIGTERM and is killed");
    if let Err(error) = init.signal(Signal::KILL) {
        log::error!("container {id}: {}", error.report());
    }
    // Frozen again by another client: only a thawed process dies (cgroup version 1).
    if container.is_frozen()
        && let Err(error) = thaw(&ctx, id, &init).await
    {
        log::error!("container {id}: {}", error.report());
    }
    if tokio::time::timeout(ctx.settings.stop_timeout, container.ending()).await.is_err() && !init.has_ended()
    {
        let key = format!("container {id}");
        ctx.health.degrade(&key, format!("container {id} is still running after SIGKILL"));
        container.ending().await;
        if !matches!(container.phase(), Phase::Undeletable(_)) {
            ctx.health.recover(&key);
        }
    }
}

/// Freezes a running container.
pub(crate) async fn pause(ctx: &Context, id: &ContainerId) -> Result<()> {
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    container.must_be(State::Running, "pause")?;
    ctx.runtime.pause(id).await?;
    cleanup::announce_state(ctx, &container, State::Paused);
    Ok(())
}

/// Thaws a paused container.
pub(crate) async fn resume(ctx: &Context, id: &ContainerId) -> Result<()> {
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    container.must_be(State::Paused, "resume")?;
    ctx.runtime.resume(id).await?;
    cleanup::announce_state(ctx, &container, State::Running);
    Ok(())
}

/// Deletes a container, killing it first with `force`, and returns when it is gone.
pub(crate) async fn delete(ctx: &Arc<Context>, id: &ContainerId, force: bool) -> Result<()> {
    let container = ctx.registry.find(id)?;
    match container.phase() {
        Phase::Undeletable(_) => return cleanup::retry(ctx, &container).await,
        Phase::Stopping(_) => {
            container.request_stop();
            forget_restart(ctx, &container).await;
        }
        Phase::CleaningUp | Phase::Gone(_) => container.request_stop(),
        phase if !force && (phase.init().is_some() || matches!(phase, Phase::Starting)) => {
            let what = format!("container {id} is {}", container.state());
            return Err(Error::new(ErrorKind::Busy, what).advise("stop it first, or force the deletion"));
        }
        _ => {}
    }
    if force {
        stop(ctx, id, StopOptions { force: true, timeout: None }).await?;
    }
    let most = ctx.settings.stop_timeout + ctx.settings.runtime_timeout * 2;
    if tokio::time::timeout(most, container.ending()).await.is_err() {
        return Err(Error::new(ErrorKind::Timeout, format!("container {id} does not end")));
    }
    cleanup::retry(ctx, &container).await
}

/// A later daemon is to see through the stop of a container, and not the restart that was wanted before.
async fn forget_restart(ctx: &Context, container: &Container) {
    let _change = container.change.lock().await;
    if let Some(accepted) = AcceptedStop::read(ctx, container).filter(|accepted| accepted.restart) {
        accepted.without_restart().save(container);
    }
}
