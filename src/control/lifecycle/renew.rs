//! What clients want of a container besides its start and stop: a signal; and a restart, which is a stop that is kept for the
//! next daemon, with a start behind it.
//!
//! Whatever ends the daemon in between, the next one finds either the accepted stop (`stop.json` says that a restart
//! follows), or the saved state of a start that was promised, and goes on from there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::control::container::Container;
use crate::control::lifecycle::accepted::AcceptedStop;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::stop::StopOptions;
use crate::control::lifecycle::{restart, stop};
use crate::control::model::id::ContainerId;
use crate::control::model::signal::Signal;
use crate::control::phase::{Ending, Phase};
use crate::control::registry::no_container;
use crate::error::{Error, ErrorKind, Result};

/// Stops a container and starts it again, and gives its descriptor once it runs.
pub(crate) async fn restart(ctx: &Arc<Context>, id: &ContainerId, timeout: Option<Duration>) -> Result<i32> {
    let (container, change) = settled(ctx, id).await?;
    accept(ctx, &container, timeout).await?;
    drop(change);
    container.ending().await;
    // Another client has stopped it meanwhile, or the runtime cannot delete it. One that was started anew is another.
    let next = container.successor.get().ok_or_else(|| {
        Error::new(ErrorKind::System, format!("container {id} ended, but is not started again"))
    })?;
    if next.running().await { Ok(next.descriptor) } else { Err(not_started_again(next)) }
}

/// The container that a call is for, with its `change`. One that is being started is waited for, and one that is being
/// started again is the one that takes its place.
async fn settled(ctx: &Context, id: &ContainerId) -> Result<(Arc<Container>, OwnedMutexGuard<()>)> {
    let mut container = ctx.registry.find(id)?;
    loop {
        let change = Arc::clone(&container.change).lock_owned().await;
        match container.phase() {
            Phase::Starting => {
                drop(change);
                container.running().await;
            }
            Phase::Gone(Ending::NeverStarted) if container.failure.get().is_some() => {
                return Err(not_started_again(&container));
            }
            Phase::Gone(_) => {
                let next = container.successor.get().cloned();
                container = next.ok_or_else(|| no_container(id.as_str()))?;
            }
            _ => return Ok((container, change)),
        }
    }
}

/// The error of a call that needs the container that was to be started in the place of one that ended.
fn not_started_again(container: &Container) -> Error {
    let what = format!("container {} ended, but could not be started again", container.id);
    match container.failure.get() {
        Some(why) => Error::new(why.kind(), what).caused_by(why.report()),
        None => Error::new(ErrorKind::System, what).advise("the daemon's log says why"),
    }
}

/// From here on the restart of a container, whose `change` the caller holds, is carried out, by this daemon or the next.
async fn accept(ctx: &Arc<Context>, container: &Arc<Container>, timeout: Option<Duration>) -> Result<()> {
    match container.phase() {
        Phase::Starting | Phase::Gone(_) => return Err(no_container(container.id.as_str())),
        Phase::Undeletable(_) => {
            let what =
                format!("cannot restart container {}: it ended and could not be deleted", container.id);
            return Err(Error::new(ErrorKind::Busy, what).advise("delete it, then start it"));
        }
        phase => {
            let within =
                |error: Error| error.within(format_args!("cannot restart container {}", container.id));
            restart::config_of(container).map_err(within)?;
            // One that is about to be cleaned up waits for us with it.
            container.request_restart();
            if phase.init().is_some() && !matches!(phase, Phase::Stopping(_)) {
                // It is not ended for a restart that a later daemon would not know of.
                let kept = AcceptedStop::now(ctx, container, timeout).keep(container);
                kept.inspect_err(|_| container.withdraw_restart()).map_err(within)?;
            }
        }
    }
    let accepted = stop::end(ctx, container, StopOptions { force: false, timeout }).await;
    if accepted.is_err() && !matches!(container.phase(), Phase::Stopping(_)) {
        container.withdraw_restart();
    }
    accepted
}

/// Sends a signal to the first process of a container, or of what is started in the place of one that has ended. What ends
/// it for certain is a stop.
pub(crate) async fn signal(ctx: &Arc<Context>, id: &ContainerId, signal: Signal) -> Result<()> {
    if signal.is_kill() {
        return stop::stop(ctx, id, StopOptions { force: true, timeout: None }).await;
    }
    let deadline = tokio::time::Instant::now() + ctx.settings.stop_timeout + ctx.settings.runtime_timeout * 2;
    loop {
        let (container, change) = settled(ctx, id).await?;
        match container.phase() {
            Phase::Running(init) | Phase::Stopping(init) if init.signal(signal.raw())? => return Ok(()),
            // memcr holds its threads, and has no way to hand a signal on.
            Phase::Hibernating(_) | Phase::Hibernated(_) | Phase::Awakening(_) => {
                let what = format!("cannot send {signal} to container {id}: it is {}", container.state());
                return Err(Error::new(ErrorKind::Busy, what).advise("wake it up first"));
            }
            Phase::Undeletable(_) => return Err(no_container(id.as_str())),
            _ => {}
        }
        drop(change);
        if tokio::time::timeout_at(deadline, container.ending()).await.is_err() {
            let what =
                format!("cannot send {signal} to container {id}: it has ended, and is still cleaned up");
            return Err(Error::new(ErrorKind::Timeout, what));
        }
    }
}
