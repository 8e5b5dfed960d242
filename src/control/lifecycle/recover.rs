//! Takes over the containers that an earlier daemon left: those that run are adopted, the others cleaned up.

use std::sync::Arc;

use crate::control::bundle::policy::Policy;
use crate::control::container::Container;
use crate::control::events::entry::EntryName;
use crate::control::events::journal::JOURNAL;
use crate::control::events::leftovers;
use crate::control::events::loops::LOOPS;
use crate::control::events::replay::REPLAY_TIME;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::hibernate;
use crate::control::lifecycle::{cleanup, launch, output, restart, stop, supervisor};
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;
use crate::control::monitor::note::Note;
use crate::control::monitor::socket::{SOCKET_PREFIX, remove_stale};
use crate::control::phase::Phase;
use crate::control::process::handle::Process;
use crate::control::process::tree;
use crate::control::state::container_dir::{ContainerDir, DUMPS, STOP};
use crate::control::state::saved_state::SavedState;
use crate::error::{Error, ErrorKind, Result, Tried};

/// Announces what an earlier daemon may not have announced, and recovers each of its containers in the background.
///
/// # Errors
/// When the state directory cannot be read.
pub(crate) fn recover(ctx: &Arc<Context>) -> Result<()> {
    let dir = &ctx.settings.state_dir;
    let what = || format!("cannot read the state directory {}", dir.display());
    let (mut ids, mut entries) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir).tried(what)? {
        let name = entry.tried(what)?.file_name();
        let text = name.to_string_lossy();
        if let Ok(id) = text.parse::<ContainerId>() {
            match ContainerDir::new(dir, &id).is_there() {
                Ok(true) => ids.push(id),
                Ok(false) => {}
                Err(error) => log::warn!("{}", error.report()),
            }
        } else if let Some(entry) = EntryName::parse(&text) {
            entries.push(entry);
        } else if text.starts_with(SOCKET_PREFIX) {
            remove_stale(dir, &text);
        } else if name != DUMPS && name != LOOPS && !text.starts_with(JOURNAL) {
            log::warn!("ignoring unknown entry {}", dir.join(&name).display());
        }
    }
    leftovers::deliver(&ctx.outbox, &ctx.registry, dir, entries);
    ids.into_iter().for_each(|id| recover_one(ctx, id));
    let bus = Arc::clone(&ctx.bus);
    ctx.tasks.spawn(async move {
        tokio::time::sleep(REPLAY_TIME).await;
        bus.all_sent_again();
    });
    Ok(())
}

/// Removes all containers that were found, and returns when they are gone. One that cannot be removed stays, as after a stop
/// that fails.
pub(crate) async fn remove_all(ctx: &Arc<Context>) {
    let removals = ctx.registry.all().into_iter().map(|container| {
        let ctx = Arc::clone(ctx);
        tokio::spawn(async move {
            log::info!("container {} of an earlier daemon is removed", container.id);
            match stop::delete(&ctx, &container.id, true).await {
                // It has ended by itself.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => log::error!("container {}: {}", container.id, error.report()),
                Ok(()) => {}
            }
        })
    });
    for removal in removals.collect::<Vec<_>>() {
        // A panic is reported by the runtime.
        let _ended = removal.await;
    }
}

fn recover_one(ctx: &Arc<Context>, id: ContainerId) {
    let dir = ContainerDir::new(&ctx.settings.state_dir, &id);
    let saved = dir.load();
    let config = dir.config().unwrap_or_default();
    let container = Arc::new(Container::recovered(id.clone(), dir, saved.as_ref().ok()));
    let restarts = saved.as_ref().ok().and_then(|saved| saved.restarts);
    let interactive = saved.as_ref().is_ok_and(|saved| saved.interactive);
    container.set_policy(Policy { restarts, ..Policy::of_recovered(&config, &id, interactive) });
    ctx.registry.insert(Arc::clone(&container));
    let shared = Arc::clone(ctx);
    match saved {
        Ok(SavedState { init: Some(init), start_unannounced, exit, .. }) => {
            let identity = init;
            let was_asked = stop::recall(ctx, &container);
            recall_state(ctx, &container);
            let init = Process::reopen(identity);
            // The dumps of one that ended are announced with its end.
            if start_unannounced && init.is_some() {
                cleanup::announce_dumps_since_start(ctx, &container);
            }
            if start_unannounced {
                if container.announced().is_none() {
                    cleanup::announce_state(ctx, &container, State::Running);
                }
                launch::announce_start(ctx, &container);
            }
            match init {
                Some(init) => adopt(ctx, container, init),
                None => {
                    if was_asked {
                        cleanup::announce_state_once(ctx, &container, State::Stopping);
                    }
                    supervisor::supervise_ended(ctx, container, identity, exit);
                }
            }
        }
        Ok(SavedState { init: None, .. }) => {
            // Of the run before this one: none is accepted while a start is under way.
            container.dir.discard(STOP);
            ctx.tasks.spawn(finish_start(shared, container));
        }
        Err(error) => {
            log::warn!("container {id}: incomplete start found, removing it: {}", error.report());
            cleanup::transition(&container, Phase::CleaningUp);
            ctx.tasks.spawn(async move { cleanup::abort_start(&shared, &container).await });
        }
    }
}

/// Takes over which state was announced last, if that is known.
fn recall_state(ctx: &Context, container: &Container) {
    let known = ctx.bus.last_state(container.started, &container.id);
    known.into_iter().for_each(|state| container.note_state(state));
}

/// Announces what the earlier daemon has done with a container, and perhaps not announced. Where the journal does not reach
/// back to the last change, that is older than thousands of events, and was announced.
fn announce_missed_state(ctx: &Context, container: &Container) {
    match container.announced() {
        Some(_) => cleanup::announce_state_once(ctx, container, container.state()),
        None => container.note_state(container.state()),
    }
}

fn read_output(ctx: &Arc<Context>, container: &Arc<Container>) {
    let (shared, adopted) = (Arc::clone(ctx), Arc::clone(container));
    ctx.tasks.spawn(async move { output::read(&shared, &adopted).await });
}

fn adopt(ctx: &Arc<Context>, container: Arc<Container>, init: Process) {
    log::info!("container {} is adopted", container.id);
    read_output(ctx, &container);
    let init = Arc::new(init);
    cleanup::transition(&container, Phase::Running(Arc::clone(&init)));
    let is_woken = hibernate::recover(ctx, &container, &init);
    let is_stopped = stop::recover(ctx, &container);
    if !is_woken && !is_stopped {
        announce_missed_state(ctx, &container);
    }
    cleanup::announce_dumps_since_note(ctx, &container);
    ctx.watcher.watch(&container);
    supervisor::supervise(ctx, container, init);
}

/// Sees a start through that an earlier daemon had begun.
async fn finish_start(ctx: Arc<Context>, container: Arc<Container>) {
    let _change = container.change.lock().await;
    let deadline = tokio::time::Instant::now() + ctx.settings.runtime_timeout;
    // The runtime goes on without us; it may have several processes.
    while let Some(runtime) = Process::find_runtime_of(container.dir.path()) {
        if tokio::time::timeout_at(deadline, runtime.wait()).await.is_err() {
            log::warn!("the runtime that starts container {} hangs and is killed", container.id);
            tree::kill_runtimes_of(container.dir.path(), Vec::new()).await;
            break;
        }
    }
    cleanup::announce_dumps_since_start(&ctx, &container);
    match find_init(&ctx, &container).await {
        Ok(init) => {
            let init = launch::mark_running(&container, init);
            // The monitor of that launch may have ended with the daemon before.
            read_output(&ctx, &container);
            launch::announce_running(&ctx, &container);
            supervisor::supervise(&ctx, Arc::clone(&container), init);
        }
        // The end before was announced, and this start with it: it is not given up because a daemon was killed in it.
        Err(error) if container.is_promised || container.policy().restarts.is_some_and(|count| count > 0) => {
            log::warn!("container {} is to be restarted once more: {}", container.id, error.report());
            if let Some(init) = restart::restart(&ctx, &container).await {
                supervisor::supervise(&ctx, Arc::clone(&container), init);
            }
        }
        Err(error) => {
            log::warn!("container {} did not start: {}", container.id, error.report());
            cleanup::abort_start(&ctx, &container).await;
        }
    }
}

/// The first process, if the container runs, or has run since this start: then it ended while no daemon looked.
async fn find_init(ctx: &Context, container: &Container) -> Result<Process> {
    let pid = container.dir.pid()?;
    let noted = Note::read(container.dir.path()).filter(|note| note.init.pid == pid);
    let init = match noted {
        Some(note) => Process::ended(note.init, note.exit),
        None => {
            let init = Process::open(pid)?;
            let state = ctx.runtime.state(&container.id).await?;
            let ran = state.is_some_and(|state| {
                let runs = ["running", "paused"].contains(&state.status.as_str());
                state.bundle == container.dir.path() && (runs || init.has_ended())
            });
            if !ran {
                return Err(Error::new(ErrorKind::NotFound, "it is not running"));
            }
            init
        }
    };
    container.dir.save(&container.saved_state(Some(&init)))?;
    Ok(init)
}
