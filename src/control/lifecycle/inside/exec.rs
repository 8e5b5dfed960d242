//! Runs commands inside containers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;

use crate::control::container::Container;
use crate::control::health::disk_problem;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::exec_options;
use crate::control::model::id::ContainerId;
use crate::control::model::request::{ExecLimits, ExecOutput, ExecRequest};
use crate::control::model::state::{ExitStatus, State};
use crate::control::output::log_store::LogStore;
use crate::control::process::helper::Finished;
use crate::control::runtime::Exec;
use crate::error::{Error, ErrorKind, Result};

/// The most words of a command.
const MAX_WORDS: usize = 4096;

/// What the runtime writes of one command, in bytes: a process id, complaints, each in a page of a tmpfs.
const EXEC_BYTES: u64 = 8 * 1024;

/// Tells the files of commands apart that run at the same time.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Where the runtime complains during one run of a command, apart from what the command says. Removed with it.
pub(crate) struct Complaints {
    container: Arc<Container>,
    name: String,
}

impl Complaints {
    pub(crate) fn new(container: &Arc<Container>) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { container: Arc::clone(container), name: format!("exec-{}-{number}.log", std::process::id()) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.container.dir.file(&self.name)
    }

    /// The name of another file of the same run, by its extension.
    pub(crate) fn beside(&self, extension: &str) -> String {
        self.name.replace(".log", &format!(".{extension}"))
    }

    pub(crate) fn text(&self) -> String {
        self.container.dir.text(&self.name)
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        self.container.dir.discard(&self.name);
    }
}

/// Launches a command; its output goes to the container's log.
pub(crate) async fn exec(ctx: &Context, id: &ContainerId, request: ExecRequest) -> Result<()> {
    let (container, options) = check(ctx, id, &request)?;
    let complaints = Complaints::new(&container);
    let log = complaints.path();
    let exec = Exec { id, options: &options, command: &request.command, log: &log };
    let output = ctx.logs.append(id, &container.policy().sink).or_else(|_| LogStore::stand_in())?;
    let finished = ctx.runtime.exec(&exec, output.fd).await?;
    if finished.exit == ExitStatus::Code(0) {
        return Ok(());
    }
    Err(not_run(ctx, &container, &finished, &complaints.text()))
}

/// The error of a command that the runtime did not run, by its complaints, for which a full disk has no room.
pub(crate) fn not_run(ctx: &Context, container: &Container, finished: &Finished, complaints: &str) -> Error {
    let error = ctx.runtime.failure("exec", &container.id, finished, complaints);
    // The runtime waits for a process that is frozen as soon as it is in the container.
    if finished.timed_out && container.state() == State::Paused {
        return error.advise("the container was paused meanwhile; resume it and try again");
    }
    let what = "the runtime has no room for what it notes of a command";
    let full = || disk_problem(what, container.dir.path(), EXEC_BYTES);
    match full().filter(|_| complaints.trim().is_empty() && !finished.timed_out) {
        Some(why) => Error::new(ErrorKind::NoSpace, error.report()).caused_by(why),
        None => error,
    }
}

/// Runs a command to its end.
pub(crate) async fn exec_wait(
    ctx: &Context,
    id: &ContainerId,
    request: ExecRequest,
    limits: ExecLimits,
) -> Result<ExecOutput> {
    let (container, options) = check(ctx, id, &request)?;
    let complaints = Complaints::new(&container);
    let log = complaints.path();
    let exec = Exec { id, options: &options, command: &request.command, log: &log };
    let running = ctx.runtime.exec_captured(&exec, limits.output, limits.timeout)?;
    let finished = running.finish().await;
    let text = complaints.text();
    if !finished.timed_out && !text.trim().is_empty() && finished.exit != ExitStatus::Code(0) {
        // The runtime itself complains: the command has not run.
        return Err(not_run(ctx, &container, &finished, &text));
    }
    let exit = if finished.timed_out { ExitStatus::Signal(Signal::KILL.as_raw()) } else { finished.exit };
    Ok(ExecOutput {
        exit,
        stdout: finished.stdout,
        stderr: finished.stderr,
        truncated: finished.truncated,
        timed_out: finished.timed_out,
    })
}

/// The container and the options to hand on, if the request is one that can be served.
pub(crate) fn check(
    ctx: &Context,
    id: &ContainerId,
    request: &ExecRequest,
) -> Result<(Arc<Container>, Vec<String>)> {
    let options = exec_options::allowed(&request.options)?;
    let refused = |why: &str| Error::new(ErrorKind::Input, format!("invalid command: {why}"));
    match request.command.first() {
        None => return Err(refused("it is empty")),
        Some(program) if program.is_empty() => return Err(refused("it has no program")),
        Some(_) if request.command.len() > MAX_WORDS => return Err(refused("it has too many words")),
        Some(_) => {}
    }
    if request.command.iter().any(|word| word.contains('\0')) {
        return Err(refused("it contains a NUL byte"));
    }
    let container = ctx.registry.find(id)?;
    container.must_be(State::Running, "run a command in")?;
    let options = exec_options::with_environment(options, &container.dir.config().unwrap_or_default());
    Ok((container, options))
}
