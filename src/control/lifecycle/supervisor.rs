//! One task per container, from its start to its end, as often as it is restarted. No other file knows both the start
//! and the exit of a container.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::{exit, launch, restart, start};
use crate::control::model::request::StartRequest;
use crate::control::model::state::ExitStatus;
use crate::control::monitor::note;
use crate::control::process::handle::{Process, ProcessIdentity};
use crate::error::{Error, ErrorKind, Result};

/// Starts a container under a supervisor of its own. The start goes on when the caller goes away.
///
/// # Errors
/// As [`start::start`], and when the daemon ends meanwhile.
pub(crate) async fn start(ctx: &Arc<Context>, request: StartRequest) -> Result<Arc<Container>> {
    let (report, reported) = oneshot::channel();
    let shared = Arc::clone(ctx);
    ctx.tasks.spawn(async move {
        // Boxed: while a container lives, nothing of its start or clean-up takes memory.
        let started = Box::pin(start::start(&shared, request)).await;
        match started {
            Ok((container, init)) => {
                // The caller may have gone away.
                let _caller_gone = report.send(Ok(Arc::clone(&container)));
                // Behind the answer, so that the client that started it knows its descriptor first.
                launch::announce_running(&shared, &container);
                run(shared, Step::Running(container, init)).await;
            }
            Err(error) => drop(report.send(Err(error))),
        }
    });
    let interrupted = |error| {
        let what = "the start was interrupted by the end of the daemon";
        Error::new(ErrorKind::System, what).caused_by(error)
    };
    reported.await.map_err(interrupted)?
}

/// Supervises a container that an earlier daemon started and that runs.
pub(crate) fn supervise(ctx: &Arc<Context>, container: Arc<Container>, init: Arc<Process>) {
    ctx.tasks.spawn(run(Arc::clone(ctx), Step::Running(container, init)));
}

/// Supervises a container that an earlier daemon started, with this first process, and that has ended since: `exit`, if
/// that daemon saw how.
pub(crate) fn supervise_ended(
    ctx: &Arc<Context>,
    container: Arc<Container>,
    init: ProcessIdentity,
    exit: Option<ExitStatus>,
) {
    let shared = Arc::clone(ctx);
    ctx.tasks.spawn(async move {
        let noted = || note::exit_of(container.dir.path(), init);
        let exit = match (exit.or_else(noted), Process::open(init.pid)) {
            (Some(exit), _) => exit,
            // Its parent is about to reap it.
            (None, Ok(process)) if process.identity() == init => ended(&container, &process).await,
            (None, _) => noted().unwrap_or(ExitStatus::Unknown),
        };
        run(shared, Step::Ended(container, exit)).await;
    });
}

/// How a container ended, once it has.
async fn ended(container: &Container, init: &Process) -> ExitStatus {
    let dir = container.dir.path();
    init.wait_noted(Some(&|init| note::exit_of(dir, init))).await
}

/// Where a container stands with its supervisor.
enum Step {
    /// It runs, and its end is awaited.
    Running(Arc<Container>, Arc<Process>),
    /// It has ended and is cleaned up.
    Ended(Arc<Container>, ExitStatus),
}

async fn run(ctx: Arc<Context>, mut step: Step) {
    loop {
        step = match step {
            Step::Running(container, init) => {
                let exit = ended(&container, &init).await;
                Step::Ended(container, exit)
            }
            Step::Ended(container, exit) => {
                let Some(next) = Box::pin(exit::clean_up(&ctx, &container, exit)).await else { return };
                let Some(init) = Box::pin(restart::restart(&ctx, &next.container)).await else { return };
                Step::Running(Arc::clone(&next.container), init)
            }
        }
    }
}
