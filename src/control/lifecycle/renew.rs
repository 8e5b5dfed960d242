//! What clients want of a container besides its start and stop: a signal; and a restart, which is a stop that is kept for the
//! next daemon, with a start behind it.
//!
//! Whatever ends the daemon in between, the next one finds either the accepted stop (`stop.json` says that a restart
//! follows), or the saved state of a start that was promised, and goes on from there.

use std::sync::Arc;
use std::time::Duration;

use crate::control::container::Container;
use crate::control::lifecycle::accepted::AcceptedStop;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::stop::StopOptions;
use crate::control::lifecycle::{restart, stop};
use crate::control::model::id::ContainerId;
use crate::control::model::signal::Signal;
use crate::control::phase::Phase;
use crate::control::registry::no_container;
use crate::error::{Error, ErrorKind, Result};

/// Stops a container and starts it again, and gives its descriptor once it runs.
pub(crate) async fn restart(ctx: &Arc<Context>, id: &ContainerId, timeout: Option<Duration>) -> Result<i32> {
    let container = ctx.registry.find(id)?;
    accept(ctx, &container, timeout).await?;
    container.ending().await;
    let failed = |why: &str| Error::new(ErrorKind::System, format!("container {id} ended, but {why}"));
    // Another client has stopped it meanwhile, or the runtime cannot delete it. One that was started anew is another.
    let next = container.successor.get().ok_or_else(|| failed("is not started again"))?;
    if next.running().await {
        return Ok(next.descriptor);
    }
    let why = next.failure.get().map_or("the daemon's log says why", String::as_str);
    Err(failed(&format!("could not be started again: {why}")))
}

/// From here on the restart is carried out, by this daemon or the next.
async fn accept(ctx: &Arc<Context>, container: &Arc<Container>, timeout: Option<Duration>) -> Result<()> {
    let _change = container.change.lock().await;
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

/// Sends a signal to the first process of a container. What ends it for certain is a stop.
pub(crate) async fn signal(ctx: &Arc<Context>, id: &ContainerId, signal: Signal) -> Result<()> {
    if signal.is_kill() {
        return stop::stop(ctx, id, StopOptions { force: true, timeout: None }).await;
    }
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    let sent = match container.phase() {
        Phase::Running(init) | Phase::Stopping(init) => init.signal(signal.raw())?,
        // memcr holds its threads, and has no way to hand a signal on.
        Phase::Hibernating(_) | Phase::Hibernated(_) | Phase::Awakening(_) => {
            let what = format!("cannot send {signal} to container {id}: it is {}", container.state());
            return Err(Error::new(ErrorKind::Busy, what).advise("wake it up first"));
        }
        Phase::Starting | Phase::CleaningUp | Phase::Undeletable(_) | Phase::Gone(_) => false,
    };
    if sent { Ok(()) } else { Err(no_container(id.as_str())) }
}
