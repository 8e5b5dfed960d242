//! The process of a command with streams: launched, held, and killed when its client goes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::control::container::Container;
use crate::control::input::console::{self, ConsoleSocket};
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::exec::{Complaints, not_run};
use crate::control::model::request::WindowSize;
use crate::control::model::state::ExitStatus;
use crate::control::process::handle::{Process, parent};
use crate::control::process::helper::Finished;
use crate::control::process::tree;
use crate::control::runtime::{Exec, ExecEnds};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::sys::{wait_for, wait_readable};

/// How long a terminal may take to come after the runtime has ended.
const TERMINAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Our ends of a command's streams.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Where its input goes.
    pub(crate) input: AsyncFd<OwnedFd>,
    /// What it writes.
    pub(crate) output: AsyncFd<OwnedFd>,
    /// What it writes as errors; a terminal has both in one.
    pub(crate) errors: Option<AsyncFd<OwnedFd>>,
    /// The terminal's end.
    pub(crate) terminal: Option<OwnedFd>,
}

/// The process of a command. Dropping it kills the command with all that descends from it, unless it has ended.
#[derive(Debug)]
pub(crate) struct Program {
    container: Arc<Container>,
    /// The name of the file with its process id.
    pid_file: String,
    process: Option<Process>,
}

/// What to launch, and where.
pub(crate) struct Command<'a> {
    pub(crate) container: &'a Arc<Container>,
    /// Checked options.
    pub(crate) options: &'a [String],
    pub(crate) words: &'a [String],
    /// The window of its terminal, if it is to have one.
    pub(crate) terminal: Option<WindowSize>,
}

impl Program {
    /// Has the runtime launch a command.
    ///
    /// # Errors
    /// The runtime's, which say why it did not run; the kernel's.
    pub(crate) async fn launch(ctx: &Context, command: &Command<'_>) -> Result<(Self, Ends)> {
        let container = command.container;
        let complaints = Complaints::new(container);
        let log = complaints.path();
        let (options, words) = (command.options, command.words);
        let exec = Exec { id: &container.id, options, command: words, log: &log };
        // It is there before the process is, which cannot be missed therefore.
        let pid_file = complaints.beside("pid");
        let mut program = Self { container: Arc::clone(container), pid_file, process: None };
        let path = container.dir.file(&program.pid_file);
        let failed = |finished: &Finished| match finished.exit {
            ExitStatus::Code(0) => Ok(()),
            _ => Err(not_run(ctx, container, finished, &complaints.text())),
        };
        let ends = match command.terminal {
            None => {
                let (ours, theirs) = pipes().tried(|| "cannot make the pipes of a command")?;
                failed(&ctx.runtime.exec_streams(&exec, &path, ExecEnds::Streams(theirs)).await?)?;
                ours
            }
            Some(size) => {
                let mut socket = ConsoleSocket::bind(container.dir.path(), &complaints.beside("tty"))?;
                let console = socket.path().to_owned();
                let launched = ctx.runtime.exec_streams(&exec, &path, ExecEnds::Console(&console));
                let came = terminal(&mut socket, size);
                tokio::pin!(launched, came);
                // Mostly it comes before the runtime ends: its window has its size before the command asks for it.
                let early = tokio::select! {
                    biased;
                    terminal = &mut came => {
                        failed(&launched.await?)?;
                        Some(terminal)
                    }
                    finished = &mut launched => {
                        failed(&finished?)?;
                        None
                    }
                };
                let never =
                    |_elapsed| Err(Error::new(ErrorKind::System, "the runtime handed over no terminal"));
                let terminal = match early {
                    Some(terminal) => terminal,
                    None => timeout(TERMINAL_TIMEOUT, came).await.unwrap_or_else(never),
                };
                ends_of(terminal?).tried(|| "cannot use the terminal of a command")?
            }
        };
        let pid = program.pid().ok_or_else(|| {
            Error::new(ErrorKind::System, format!("the runtime left no process id in {}", path.display()))
        })?;
        program.process = Some(Process::open_orphan(pid)?);
        Ok((program, ends))
    }

    fn pid(&self) -> Option<i32> {
        self.container.dir.text(&self.pid_file).trim().parse().ok()
    }

    /// Waits for its end. For one call.
    pub(crate) async fn wait(&self) -> ExitStatus {
        match &self.process {
            Some(process) => process.wait().await,
            None => ExitStatus::Unknown,
        }
    }

    /// Sends it a signal. One that has ended needs none.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(Err(error)) = self.process.as_ref().map(|process| process.signal(signal)) {
            log::warn!("{}", error.report());
        }
    }

    /// Kills it with all that descends from it, if it runs.
    pub(crate) fn kill(&self) {
        let pid = match &self.process {
            Some(process) => process.runs().then(|| process.identity().pid),
            // It may have fallen to us a moment ago; as long as the runtime has it, it is killed with that.
            None => self.pid().filter(|pid| parent(*pid) == i32::try_from(std::process::id()).ok()),
        };
        if let Some(pid) = pid {
            tree::kill(pid);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        self.container.dir.discard(&self.pid_file);
    }
}

/// Waits for the terminal, and gives its window the size.
async fn terminal(socket: &mut ConsoleSocket, size: WindowSize) -> Result<OwnedFd> {
    let what = || "cannot wait for the terminal";
    loop {
        let fd = socket.as_fd().try_clone_to_owned().tried(what)?;
        let _ready = wait_readable(fd).tried(what)?.readable().await.tried(what)?;
        if let Some(terminal) = socket.take()? {
            console::resize(&terminal, size);
            return Ok(terminal);
        }
    }
}

/// Our ends of three pipes, and the command's.
fn pipes() -> io::Result<(Ends, [OwnedFd; 3])> {
    let (stdin, input) = pipe_with(PipeFlags::CLOEXEC)?;
    let (output, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (errors, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    for ours in [&input, &output, &errors] {
        rustix::io::ioctl_fionbio(ours, true)?;
    }
    let ours = Ends {
        input: wait_for(input, Interest::WRITABLE)?,
        output: wait_readable(output)?,
        errors: Some(wait_readable(errors)?),
        terminal: None,
    };
    Ok((ours, [stdin, stdout, stderr]))
}

/// What a terminal is for.
fn ends_of(terminal: OwnedFd) -> io::Result<Ends> {
    Ok(Ends {
        input: wait_for(terminal.try_clone()?, Interest::WRITABLE)?,
        output: wait_readable(terminal.try_clone()?)?,
        errors: None,
        terminal: Some(terminal),
    })
}
