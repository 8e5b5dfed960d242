//! Hibernation: memcr writes the memory of a container's processes out, and reads it back when the container is woken up
//! or stopped.

use std::pin::pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::control::container::Container;
use crate::control::lifecycle::cleanup;
use crate::control::lifecycle::context::Context;
use crate::control::memcr::{HibernateOptions, Memcr};
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;
use crate::control::phase::Phase;
use crate::control::process::handle::{Process, ProcessIdentity};
use crate::control::process::tree;
use crate::control::state::container_dir::HIBERNATION;
use crate::control::stats;
use crate::error::{Error, ErrorKind, Result};

/// How often the processes are listed anew: some may have been started meanwhile.
const MAX_ROUNDS: usize = 8;

/// What a later daemon must know of a hibernation.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The container's first process: a restarted container has another.
    init: ProcessIdentity,
    /// Every process that memcr was asked to hibernate.
    pids: Vec<i32>,
    /// Whether all of them are.
    complete: bool,
}

/// Begins to hibernate a running container, and returns when memcr is there.
pub(crate) async fn hibernate(ctx: &Arc<Context>, id: &ContainerId, options: HibernateOptions) -> Result<()> {
    let container = ctx.registry.find(id)?;
    let change = Arc::clone(&container.change).lock_owned().await;
    container.must_be(State::Running, "hibernate")?;
    let Phase::Running(init) = container.phase() else {
        return Err(Error::new(ErrorKind::Busy, format!("container {id} is {}", container.state())));
    };
    drop(Memcr::at(&ctx.settings.memcr_socket).connect().await?);
    enter(ctx, &container, Phase::Hibernating(Arc::clone(&init)), State::Hibernating);
    ctx.tasks.spawn(fall_asleep(Arc::clone(ctx), container, init, options, change));
    Ok(())
}

/// Goes to another phase, unless the container has ended, and announces that.
fn enter(ctx: &Context, container: &Container, phase: Phase, state: State) {
    if container.transition_to(phase).is_ok() {
        cleanup::announce_state(ctx, container, state);
    }
}

async fn fall_asleep(
    ctx: Arc<Context>,
    container: Arc<Container>,
    init: Arc<Process>,
    options: HibernateOptions,
    _change: OwnedMutexGuard<()>,
) {
    let mut note = Note { init: init.identity(), pids: Vec::new(), complete: false };
    match checkpoint_all(&ctx, &container, &mut note, &options).await {
        Ok(()) => enter(&ctx, &container, Phase::Hibernated(init), State::Hibernated),
        Err(error) => {
            log::warn!("container {} does not hibernate: {}", container.id, error.report());
            wake_in_time(&ctx, &container, note.pids).await;
            enter(&ctx, &container, Phase::Running(init), State::Running);
        }
    }
}

/// Has memcr write out every process. `note` has those that may be so when that fails.
async fn checkpoint_all(
    ctx: &Context,
    container: &Container,
    note: &mut Note,
    options: &HibernateOptions,
) -> Result<()> {
    let memcr = Memcr::at(&ctx.settings.memcr_socket);
    let mut interruption = pin!(container.interruption());
    for _ in 0..MAX_ROUNDS {
        let fresh: Vec<_> = pids(container).into_iter().filter(|pid| !note.pids.contains(pid)).collect();
        if fresh.is_empty() {
            note.complete = true;
            return container.dir.replace_note(HIBERNATION, note);
        }
        for pid in fresh {
            note.pids.push(pid);
            container.dir.replace_note(HIBERNATION, note)?;
            let done = tokio::select! {
                biased;
                () = &mut interruption => {
                    return Err(Error::new(ErrorKind::Busy, "it is stopped, or has ended"));
                }
                done = memcr.checkpoint(pid, options) => done,
            };
            if let Err(error) = done
                && is_there(pid)
            {
                return Err(error);
            }
        }
    }
    Err(Error::new(ErrorKind::Busy, "it keeps starting processes"))
}

/// The processes of a container, as the host numbers them.
fn pids(container: &Container) -> Vec<i32> {
    stats::pids(container.cgroups()).unwrap_or_else(|| {
        container.init().map_or_else(Vec::new, |init| tree::with_descendants(init.identity().pid))
    })
}

fn is_there(pid: i32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Wakes a hibernated container up, and returns when it runs. Goes on when the caller goes away.
pub(crate) async fn wakeup(ctx: &Arc<Context>, id: &ContainerId) -> Result<()> {
    let container = ctx.registry.find(id)?;
    let change = Arc::clone(&container.change).lock_owned().await;
    container.must_be(State::Hibernated, "wake up")?;
    drop(Memcr::at(&ctx.settings.memcr_socket).connect().await?);
    let (report, reported) = oneshot::channel();
    let shared = Arc::clone(ctx);
    ctx.tasks.spawn(async move {
        // The caller may have gone away.
        let _caller_gone = report.send(awake(&shared, &container, change).await);
    });
    let interrupted = |error| Error::new(ErrorKind::System, "the daemon ends").caused_by(error);
    reported.await.map_err(interrupted)?
}

async fn awake(ctx: &Context, container: &Container, _change: OwnedMutexGuard<()>) -> Result<()> {
    let Phase::Hibernated(init) = container.phase() else {
        return Err(Error::new(ErrorKind::Busy, format!("container {} has ended", container.id)));
    };
    enter(ctx, container, Phase::Awakening(Arc::clone(&init)), State::Awakening);
    let woken = match noted(container, &init) {
        Some(note) => wake_all(ctx, container, note.pids).await,
        None => Ok(()),
    };
    match woken {
        Ok(()) => {
            enter(ctx, container, Phase::Running(init), State::Running);
            let (id, descriptor) = (container.id.clone(), container.descriptor);
            // As with Thunder: a container that is woken up has started.
            ctx.bus.send(container.origin, container.started, Event::Started { id, descriptor });
        }
        Err(_) => enter(ctx, container, Phase::Hibernated(init), State::Hibernated),
    }
    woken
}

/// The note of this run of the container.
fn noted(container: &Container, init: &Process) -> Option<Note> {
    let note = container.dir.note::<Note>(HIBERNATION).unwrap_or_else(|error| {
        log::warn!("container {}: {}", container.id, error.report());
        None
    });
    note.filter(|note| note.init == init.identity())
}

/// Has memcr read back the processes, the last one first; those that are woken leave the note.
async fn wake_all(ctx: &Context, container: &Container, mut pids: Vec<i32>) -> Result<()> {
    let memcr = Memcr::at(&ctx.settings.memcr_socket);
    let Some(init) = container.init().map(|init| init.identity()) else { return Ok(()) };
    while let Some(pid) = pids.last().copied() {
        if is_there(pid) {
            memcr.restore(pid).await?;
        }
        pids.pop();
        container.dir.replace_note(HIBERNATION, &Note { init, pids: pids.clone(), complete: true })?;
    }
    container.dir.discard(HIBERNATION);
    Ok(())
}

/// Wakes processes of which not all may be hibernated, for no longer than a stop may take; failures are only logged.
async fn wake_in_time(ctx: &Context, container: &Container, pids: Vec<i32>) {
    let memcr = Memcr::at(&ctx.settings.memcr_socket);
    let wake = async {
        for pid in pids.into_iter().rev().filter(|pid| is_there(*pid)) {
            if let Err(error) = memcr.restore(pid).await {
                log::warn!("container {}: {}", container.id, error.report());
            }
        }
    };
    if tokio::time::timeout(ctx.settings.stop_timeout, wake).await.is_err() {
        log::warn!("container {}: memcr does not wake it up in time", container.id);
    }
    container.dir.discard(HIBERNATION);
}

/// A container is to be stopped: one that is hibernated is woken up, so that it can end by itself.
pub(crate) async fn end(ctx: &Context, container: &Container) {
    if let Phase::Hibernated(init) = container.phase()
        && let Some(note) = noted(container, &init)
    {
        wake_in_time(ctx, container, note.pids).await;
    }
}

/// Takes over the hibernation that an earlier daemon left. One that it did not complete is undone; whether that is so.
pub(crate) fn recover(ctx: &Arc<Context>, container: &Arc<Container>, init: &Arc<Process>) -> bool {
    let Some(note) = noted(container, init) else { return false };
    cleanup::transition(container, Phase::Hibernated(Arc::clone(init)));
    if note.complete {
        return false;
    }
    let (ctx, container, init) = (Arc::clone(ctx), Arc::clone(container), Arc::clone(init));
    let tasks = Arc::clone(&ctx.tasks);
    tasks.spawn(async move {
        let _change = container.change.lock().await;
        enter(&ctx, &container, Phase::Awakening(Arc::clone(&init)), State::Awakening);
        wake_in_time(&ctx, &container, note.pids).await;
        enter(&ctx, &container, Phase::Running(init), State::Running);
    });
    true
}
