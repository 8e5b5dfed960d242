//! Cleans up after containers: deletes them from the runtime, finds their dumps, removes their directories.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::control::bundle::owned::opened;
use crate::control::clock::boottime;
use crate::control::container::Container;
use crate::control::events::dumps;
use crate::control::events::dumps::Snapshot;
use crate::control::lifecycle::context::Context;
use crate::control::model::event::{Event, Origin};
use crate::control::model::state::{ExitStatus, State};
use crate::control::phase::{Ending, Phase};
use crate::control::plugins::plugin::ContainerRef;
use crate::control::plugins::plugin_set;
use crate::control::process::cgroup::Cgroups;
use crate::control::runtime::OciState;
use crate::error::Result;

/// Granularity of the times of files.
const FILE_TIME_TICK: Duration = Duration::from_millis(20);

/// Goes to another phase, which must be possible here.
pub(crate) fn transition(container: &Container, next: Phase) {
    if let Err(error) = container.transition_to(next) {
        log::error!("{}", error.report());
    }
}

/// Announces the state that a container is in now.
pub(crate) fn announce_state(ctx: &Context, container: &Container, state: State) {
    container.note_state(state);
    let (id, descriptor) = (container.id.clone(), container.descriptor);
    ctx.bus.send(container.origin, container.started, Event::StateChanged { id, descriptor, state });
}

/// Announces the state that a container is in now, unless an earlier daemon has done so.
pub(crate) fn announce_state_once(ctx: &Context, container: &Container, state: State) {
    if container.announced() != Some(state) {
        announce_state(ctx, container, state);
    }
}

/// Cleans up after a start that failed: nothing may be left of it.
pub(crate) async fn abort_start(ctx: &Context, container: &Arc<Container>) {
    ctx.logs.finish(&container.id, &container.policy().sink);
    let before = Snapshot::look(&container.policy().dump_dirs);
    // It may have run for a moment, while no daemon looked.
    plugin_set::post_halt(ContainerRef::of(container), ExitStatus::Unknown).await;
    let removed = match ctx.runtime.state(&container.id).await {
        Ok(known) => remove_everywhere(ctx, container, known).await,
        // A runtime that cannot even say that has nothing that could be deleted.
        Err(error) => {
            log::warn!("container {}: {}", container.id, error.report());
            remove_dir(container).await
        }
    };
    if let Err(error) = removed {
        log::error!("container {} could not be cleaned up: {}", container.id, error.report());
    }
    announce_dumps(ctx, container, Origin::ThisDaemon, before.new_dumps(&container.id));
    // A runtime that fails behind our hook may not call it again.
    ctx.sweeper.sweep_after(container);
    ctx.registry.remove(container);
    transition(container, Phase::Gone(Ending::NeverStarted));
}

/// Cleans up after a container that started but cannot be tracked, and reports that.
pub(crate) async fn report_failed_start(ctx: &Context, container: &Arc<Container>) {
    let (id, descriptor) = (container.id.clone(), container.descriptor);
    let failed = Event::Failed { id, descriptor, error_code: 1 };
    let posted = ctx.outbox.write_end(container, vec![failed], false);
    abort_start(ctx, container).await;
    ctx.outbox.deliver(posted);
}

/// Announces dumps that came to light apart from the end of a container.
pub(crate) fn announce_dumps(ctx: &Context, container: &Container, origin: Origin, dumps: Vec<Event>) {
    ctx.outbox.deliver(ctx.outbox.write_dumps(&container.id, origin, dumps));
}

/// Announces the dumps that came to light when a container was started: an earlier daemon may not have done so.
pub(crate) fn announce_dumps_since_start(ctx: &Context, container: &Container) {
    let mut before = Snapshot::look(&container.policy().dump_dirs);
    before.forget_since(&container.id, start_time(container));
    announce_dumps(ctx, container, Origin::EarlierDaemon, before.new_dumps(&container.id));
}

/// Announces the dumps that came to light while a container ran and no daemon looked.
pub(crate) fn announce_dumps_since_note(ctx: &Context, container: &Container) {
    let Some(since) = container.dir.unannounced_since() else { return };
    let mut before = Snapshot::look(&container.policy().dump_dirs);
    before.forget_since(&container.id, since);
    let dumps = before.new_dumps(&container.id);
    let newest = dumps::newest(&dumps);
    announce_dumps(ctx, container, Origin::EarlierDaemon, dumps);
    newest.into_iter().for_each(|time| container.dir.note_announced(time));
}

/// When a container was started, on the clock of files.
fn start_time(container: &Container) -> SystemTime {
    let age = Duration::from_nanos(boottime().saturating_sub(container.started)) + FILE_TIME_TICK;
    SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Deletes a container that has ended from the runtime, and gives the dumps that were harvested by that, also when the
/// deletion fails.
pub(crate) async fn delete_ended(
    ctx: &Context,
    container: &Container,
    exit: ExitStatus,
) -> (Result<()>, Vec<Event>) {
    let mut before = ctx.outbox.dumps.reserve(&container.policy().dump_dirs).await;
    if container.was_seen_running() {
        // Dumps that came while it ran were announced, unless something has kept the news from us.
        before.forget_since(&container.id, start_time(container).max(ctx.outbox.dumps.since()));
    } else if let Ok(saved) = container.dir.load() {
        // An earlier daemon may have been killed between the harvest and the event.
        let unannounced_since =
            if saved.start_unannounced { Some(start_time(container)) } else { container.dir.save_time() };
        // What it left while it ran was announced then.
        let unannounced_since = unannounced_since.max(container.dir.unannounced_since());
        if let Some(time) = unannounced_since {
            before.forget_since(&container.id, time);
        }
    }
    let deleted = delete_from_runtime(ctx, container, exit).await;
    (deleted, before.new_dumps(&container.id))
}

/// Poststop hooks run now, so the bundle must still be there.
async fn delete_from_runtime(ctx: &Context, container: &Container, exit: ExitStatus) -> Result<()> {
    let id = &container.id;
    plugin_set::post_halt(ContainerRef::of(container), exit).await;
    if let Err(error) = ctx.runtime.delete(id, false).await {
        // Processes that outlived the init, a state file that was damaged: force helps against both.
        log::debug!("{}", error.report());
        let known = ctx.runtime.state(id).await?;
        let deleted = force_delete(ctx, container, known).await;
        ctx.sweeper.sweep_after(container);
        return deleted;
    }
    Ok(())
}

/// Removes what is left of a container that does not run: from the runtime, which gave `known`, and here. crun leaves
/// its cgroups when the first process is killed while hooks run.
///
/// # Errors
/// The runtime's, and the directory stays for another try.
pub(crate) async fn remove_everywhere(
    ctx: &Context,
    container: &Container,
    known: Option<OciState>,
) -> Result<()> {
    let is_foreign = known.as_ref().is_some_and(|state| state.bundle != container.dir.path());
    force_delete(ctx, container, known).await?;
    if !is_foreign && let Ok(config) = container.dir.config() {
        let path = config["linux"]["cgroupsPath"].as_str().filter(|path| !path.is_empty());
        Cgroups::at(Path::new(path.unwrap_or(container.id.as_str()))).remove().await;
    }
    remove_dir(container).await
}

/// Removes what is left of a container that does not run from the runtime, which gave `known`.
async fn force_delete(ctx: &Context, container: &Container, known: Option<OciState>) -> Result<()> {
    let id = &container.id;
    match known {
        Some(state) if state.bundle == container.dir.path() => ctx.runtime.delete(id, true).await,
        // Not ours: another client of this runtime uses the id.
        Some(_) => Ok(()),
        None => {
            // A start that was cut short may have left something that the runtime does not call a container.
            let _nothing_there = ctx.runtime.delete(id, true).await;
            Ok(())
        }
    }
}

/// Removes all that is ours of a container that the runtime does not have any more.
pub(crate) async fn remove_dir(container: &Container) -> Result<()> {
    plugin_set::post_stop(ContainerRef::of(container), true).await;
    opened::unpin(&container.dir);
    container.dir.remove()
}

/// Tries once more to delete a container that ended long ago.
///
/// # Errors
/// The runtime's; it stays undeletable.
pub(crate) async fn retry(ctx: &Context, container: &Arc<Container>) -> Result<()> {
    let _change = container.change.lock().await;
    let Phase::Undeletable(exit) = container.phase() else { return Ok(()) };
    let (deleted, dumps) = delete_ended(ctx, container, ExitStatus::Unknown).await;
    if let Err(error) = deleted {
        ctx.outbox.deliver(ctx.outbox.kept_by_state(container, dumps));
        return Err(error);
    }
    let posted = ctx.outbox.write_end(container, dumps, false);
    let removed = remove_dir(container).await;
    ctx.outbox.deliver(posted);
    removed?;
    ctx.registry.remove(container);
    ctx.health.recover(&format!("container {}", container.id));
    transition(container, Phase::Gone(Ending::Ended(exit)));
    Ok(())
}
