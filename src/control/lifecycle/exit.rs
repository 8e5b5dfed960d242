//! A container exits: it is deleted, its dumps are harvested, its end is announced, and perhaps it is restarted.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use crate::control::container::Container;
use crate::control::lifecycle::cleanup;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::restart;
use crate::control::model::event::Event;
use crate::control::model::state::{ExitStatus, State};
use crate::control::phase::{Ending, Phase};
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set;
use crate::control::run_notes;
use crate::control::state::saved_state::SavedState;
use crate::error::Result;

/// A container that is to be started in the place of one that ended. Nothing else may change it before that.
pub(crate) struct NextAttempt {
    pub(crate) container: Arc<Container>,
    _change: OwnedMutexGuard<()>,
}

impl NextAttempt {
    async fn of(ended: &Container, restarts: Option<u32>) -> Self {
        let container = Arc::new(ended.next_attempt(restarts));
        let change = Arc::clone(&container.change).lock_owned().await;
        Self { container, _change: change }
    }
}

/// Cleans up after a container that ended, announces its end, and gives what is to be started in its place.
pub(crate) async fn clean_up(
    ctx: &Context,
    container: &Arc<Container>,
    exit: ExitStatus,
) -> Option<NextAttempt> {
    cleanup::transition(container, Phase::CleaningUp);
    container.input.set(None);
    let _change = container.change.lock().await;
    run_notes::save_exit(container, exit);
    let init = container.dir.load().ok().and_then(|SavedState { init, .. }| init);
    if let Some(init) = init {
        run_notes::note_run(container, Some((init, exit)));
    }
    let (deleted, mut events) = cleanup::delete_ended(ctx, container, exit).await;
    if let Some(init) = init {
        // The monitor reads what it wrote before that.
        init.reaped().await;
    }
    ctx.logs.finish(&container.id, &container.policy().sink);
    let next = if deleted.is_ok() { next_attempt(container, exit).await } else { None };
    let (id, descriptor) = (container.id.clone(), container.descriptor);
    events.push(Event::Stopped { id, descriptor, exit });
    // No await from here on to `replace` when there is a next attempt, so that a stop that comes meanwhile is seen by
    // the old container or by the new one.
    let next = next.filter(|_| !container.is_stop_requested());
    let posted = match &deleted {
        Ok(()) => ctx.outbox.write_end(container, events, next.is_some()),
        Err(_) => ctx.outbox.kept_by_state(container, events),
    };
    let removed = match deleted {
        Ok(()) if next.is_none() => cleanup::remove_dir(container).await,
        deleted => deleted,
    };
    ctx.registry.remember_exit(&container.id, exit);
    log::info!("container {} ended with {exit}", container.id);
    if let (Some(next), Ok(())) = (&next, &removed) {
        let _first = container.successor.set(Arc::clone(&next.container));
    }
    let is_gone = leave_registry(ctx, container, removed, next.as_ref());
    cleanup::announce_state_once(ctx, container, State::Stopped);
    ctx.outbox.deliver(posted);
    if let Some(end) = ctx.logs.end(&container.id, &container.policy().sink) {
        let _first = container.output_end.set(end);
    }
    let last = if is_gone { Phase::Gone(Ending::Ended(exit)) } else { Phase::Undeletable(exit) };
    cleanup::transition(container, last);
    next
}

/// The next attempt, if the container is to be restarted. Its plugins know that this is not its last end.
async fn next_attempt(container: &Container, exit: ExitStatus) -> Option<NextAttempt> {
    let restarts = if container.is_restart_requested() {
        // What crashed before is forgiven.
        container.policy().restarts.map(|_| 0)
    } else {
        Some(restart::next_number(container, exit)?)
    };
    plugin_set::post_stop(ContainerRef::of(container), false).await;
    Some(NextAttempt::of(container, restarts).await)
}

/// Takes a container out of the list, unless it could not be `removed`; whether it is gone.
fn leave_registry(
    ctx: &Context,
    container: &Arc<Container>,
    removed: Result<()>,
    next: Option<&NextAttempt>,
) -> bool {
    match (removed, next) {
        (Ok(()), Some(next)) => ctx.registry.replace(container, &next.container),
        (Ok(()), None) => ctx.registry.remove(container),
        (Err(error), _) => {
            let id = &container.id;
            let sentence = format!("container {id} ended but cannot be deleted: {}", error.report());
            ctx.health.degrade(&format!("container {id}"), sentence);
            return false;
        }
    }
    true
}
