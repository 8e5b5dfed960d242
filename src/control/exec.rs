//! Runs commands inside containers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;

use super::container::Container;
use super::output::Output;
use super::process::Process;
use super::runtime::Exec;
use super::shared::Shared;
use super::{ContainerId, ExecLimits, ExecOutput, ExecRequest, ExitStatus, State, options};
use crate::error::{Error, ErrorKind, Result};

/// How many words a command may have.
const MOST_WORDS: usize = 4096;

/// Numbers the files of commands that run at the same time.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The small files that one run of a command needs; removed with it. Dropped too early, the command is killed.
struct Files {
    container: Arc<Container>,
    pid: String,
    log: String,
    /// Whether the command is still wanted when this is dropped.
    keep: bool,
}

impl Files {
    fn new(container: &Arc<Container>) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let us = std::process::id();
        let (pid, log) = (format!("exec-{us}-{number}.pid"), format!("exec-{us}-{number}.log"));
        Self { container: Arc::clone(container), pid, log, keep: false }
    }

    /// Kills the command inside the container: the runtime's death would leave it running.
    fn kill(&self) {
        let process = self.container.shelf.pid(&self.pid).and_then(Process::hold);
        let inside =
            self.container.cgroups().and_then(|cgroups| cgroups.pids(usize::MAX)).unwrap_or_default();
        if let Ok(process) = process
            && inside.contains(&process.identity().pid)
        {
            // It has just ended by itself.
            let _gone = process.signal(Signal::KILL);
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if !self.keep {
            self.kill();
        }
        self.container.shelf.discard(&self.pid);
        self.container.shelf.discard(&self.log);
    }
}

impl Shared {
    /// Launches a command; its output goes to the container's log.
    pub(super) async fn exec(&self, id: &ContainerId, request: ExecRequest) -> Result<()> {
        let (container, options) = self.check(id, &request)?;
        let mut files = Files::new(&container);
        let shelf = &container.shelf;
        let (pid_file, log) = (shelf.file(&files.pid), shelf.file(&files.log));
        let exec = Exec { id, options: &options, command: &request.command, pid_file: &pid_file, log: &log };
        let output = self.output.append(id).or_else(|_| Output::dummy())?;
        let finished = self.runtime.exec(&exec, output).await?;
        if finished.exit == ExitStatus::Code(0) {
            files.keep = true;
            return Ok(());
        }
        Err(self.runtime.failure("exec", id, &finished, &shelf.text(&files.log)))
    }

    /// Runs a command to its end.
    pub(super) async fn exec_wait(
        &self,
        id: &ContainerId,
        request: ExecRequest,
        limits: ExecLimits,
    ) -> Result<ExecOutput> {
        let (container, options) = self.check(id, &request)?;
        let mut files = Files::new(&container);
        let shelf = &container.shelf;
        let (pid_file, log) = (shelf.file(&files.pid), shelf.file(&files.log));
        let exec = Exec { id, options: &options, command: &request.command, pid_file: &pid_file, log: &log };
        let running = self.runtime.exec_captured(&exec, limits.output, limits.timeout)?;
        let finished = running.finish().await;
        let said = shelf.text(&files.log);
        if !finished.timed_out && !said.trim().is_empty() && finished.exit != ExitStatus::Code(0) {
            // The runtime itself complains: the command never ran.
            return Err(self.runtime.failure("exec", id, &finished, &said));
        }
        files.keep = !finished.timed_out;
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
    fn check(&self, id: &ContainerId, request: &ExecRequest) -> Result<(Arc<Container>, Vec<String>)> {
        let options = options::allowed(&request.options)?;
        let refused = |why: &str| Error::new(ErrorKind::Input, format!("bad command: {why}"));
        match request.command.first() {
            None => return Err(refused("it is empty")),
            Some(program) if program.is_empty() => return Err(refused("it has no program")),
            Some(_) if request.command.len() > MOST_WORDS => return Err(refused("it has too many words")),
            Some(_) => {}
        }
        if request.command.iter().any(|word| word.contains('\0')) {
            return Err(refused("it has a NUL byte in it"));
        }
        let container = self.find(id)?;
        container.must_be(State::Running, "run a command in")?;
        Ok((container, options))
    }
}
