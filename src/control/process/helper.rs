//! Runs a helper program: with a deadline, bounded output, and never left running by accident.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::control::model::state::ExitStatus;
use crate::control::process::cgroup::Cgroups;
use crate::control::process::{reaper, tree};
use crate::error::{Error, ErrorKind, Result, Tried};

/// How long output may still trickle in after the end of the helper: something it left behind may hold the pipe.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);
/// How long a killed helper may take to vanish; one in an uninterruptible sleep never does.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// The helper's only environment variable.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a helper's standard streams lead.
#[derive(Debug)]
pub(crate) enum Streams {
    /// Nothing to read; up to this many bytes of stdout and of stderr are kept.
    Captured(usize),
    /// Nothing to read; both outputs go to this file.
    File(OwnedFd),
    /// These three.
    Three([OwnedFd; 3]),
}

/// A helper to run.
#[derive(Debug)]
pub(crate) struct Helper {
    program: PathBuf,
    /// The program itself, held open until it runs.
    opened: Option<Arc<OwnedFd>>,
    command: Command,
    streams: Streams,
    deadline: Duration,
    attached: bool,
}

/// What a helper gave.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) exit: ExitStatus,
    /// The beginning of its standard output, if captured.
    pub(crate) stdout: Vec<u8>,
    /// The beginning of its standard error, if captured.
    pub(crate) stderr: Vec<u8>,
    /// Whether some output is missing.
    pub(crate) truncated: bool,
    /// Whether it was killed at its deadline.
    pub(crate) timed_out: bool,
    /// The cgroups of the processes that were killed then, without our own.
    pub(crate) groups: Vec<Cgroups>,
}

impl Helper {
    /// A run of `program`, in a process group of its own and with an environment of one `PATH`. Dropping the run
    /// kills it, and so does the end of this process.
    #[must_use]
    pub(crate) fn new(program: &Path, streams: Streams, deadline: Duration) -> Self {
        Self::opened(program, None, streams, deadline)
    }

    /// The same of a program that has been `opened`.
    #[must_use]
    pub(crate) fn opened(
        program: &Path,
        opened: Option<Arc<OwnedFd>>,
        streams: Streams,
        deadline: Duration,
    ) -> Self {
        let mut command = command(program, opened.as_deref());
        command.env_clear().env("PATH", PATH).process_group(0);
        Self { program: program.to_owned(), opened, command, streams, deadline, attached: true }
    }

    /// The same, but neither a dropped run nor the end of this process ends the helper.
    #[must_use]
    pub(crate) fn detached(mut self) -> Self {
        self.attached = false;
        self
    }

    /// Its arguments.
    pub(crate) fn args<S: AsRef<std::ffi::OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.command.args(args);
        self
    }

    /// Lets it inherit `fds` as its descriptors 3, 4, and so on.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn pass(&mut self, fds: &[OwnedFd]) -> Result<()> {
        crate::sys::pass_on(&mut self.command, fds).tried(|| "cannot hand on a descriptor")
    }

    /// Has it start in the network that is pinned at `place`.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn enter_network(&mut self, place: &Path) -> Result<&mut Self> {
        let namespace = std::fs::File::open(place).tried(|| format!("cannot open {}", place.display()))?;
        crate::sys::enter_network(&mut self.command, namespace.into());
        Ok(self)
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when there is no such program; the kernel's.
    pub(crate) fn start(self) -> Result<Running> {
        let Self { program, opened, mut command, streams, deadline, attached } = self;
        let name = program.display().to_string();
        let limit = connect(&mut command, streams, &name)?;
        if attached {
            crate::sys::tie_child(&mut command, None);
        }
        let spawned = reaper::spawn(&mut command);
        drop(opened);
        let (mut child, pid, status) = spawned.map_err(|error| cannot_run(&name, error))?;
        let guard = KillGuard { pid, armed: attached };
        let stdout = receiver(child.stdout.take().map(OwnedFd::from), &name)?;
        let stderr = receiver(child.stderr.take().map(OwnedFd::from), &name)?;
        let reaping = Box::pin(reaper::serve()?);
        Ok(Running { reaping, guard, status, stdout, stderr, limit, deadline })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// As [`Helper::start`]; a deadline that passed is none.
    pub(crate) async fn run(self) -> Result<Finished> {
        Ok(self.start()?.finish().await)
    }
}

/// A command of a program, from the file that it was opened as, if it was. This must stay open until the command runs.
pub(crate) fn command(program: &Path, opened: Option<&OwnedFd>) -> Command {
    let Some(file) = opened else { return Command::new(program) };
    // Our own number of it: in the child, another file may have that by then.
    let mut command = Command::new(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    command.arg0(program);
    command
}

/// A program that could not be started.
pub(crate) fn cannot_run(name: &str, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => ErrorKind::Unsupported,
        _ => ErrorKind::System,
    };
    Error::new(kind, format!("cannot run {name}")).caused_by(error)
}

/// Connects the standard streams and gives how much of the output is to be kept.
fn connect(command: &mut Command, streams: Streams, name: &str) -> Result<usize> {
    if let Streams::Three([stdin, stdout, stderr]) = streams {
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        return Ok(0);
    }
    let (stdin, _closed) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .tried(|| format!("cannot make a pipe for {name}"))?;
    // Not /dev/null: a runtime gives its standard streams to the container's user, the host's device too.
    command.stdin(stdin);
    match streams {
        Streams::Captured(limit) => {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            Ok(limit)
        }
        Streams::File(file) => {
            let copy = file.try_clone().tried(|| format!("cannot share the log with {name}"))?;
            command.stdout(file).stderr(copy);
            Ok(0)
        }
        Streams::Three(_) => Ok(0),
    }
}

fn receiver(fd: Option<OwnedFd>, name: &str) -> Result<Option<pipe::Receiver>> {
    fd.map(pipe::Receiver::from_owned_fd).transpose().tried(|| format!("cannot read the output of {name}"))
}

/// Kills the helper when it is dropped while armed.
#[derive(Debug)]
struct KillGuard {
    pid: Pid,
    armed: bool,
}

impl KillGuard {
    fn kill(&self) -> Vec<Cgroups> {
        let groups = reaper::unreaped(self.pid, || tree::kill(self.pid.as_raw_pid()));
        // It has ended meanwhile.
        groups.unwrap_or_default()
    }
}

impl Drop for KillGuard {
    fn drop(&mut self) {
        if self.armed {
            self.kill();
        }
    }
}

/// A helper at work.
pub(crate) struct Running {
    /// Helpers also run where no manager reaps.
    reaping: Pin<Box<dyn Future<Output = ()> + Send>>,
    guard: KillGuard,
    status: oneshot::Receiver<ExitStatus>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    limit: usize,
    deadline: Duration,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Running {
    /// Its process id.
    #[must_use]
    pub(crate) fn pid(&self) -> i32 {
        self.guard.pid.as_raw_nonzero().get()
    }

    /// Its standard output, to be read while it runs; it is not captured then.
    pub(crate) fn take_stdout(&mut self) -> Option<pipe::Receiver> {
        self.stdout.take()
    }

    /// Waits for its end, reading what it says; kills it with all its descendants at the deadline.
    pub(crate) async fn finish(self) -> Finished {
        let reaping = self.reaping;
        let Self { mut guard, mut status, stdout, stderr, limit, deadline, .. } = self;
        let (mut out, mut err) = (Captured::new(limit), Captured::new(limit));
        let watched = async {
            let reading = async { tokio::join!(out.read(stdout), err.read(stderr)) };
            let exit = timeout(deadline, exit_and_rest(&mut status, reading)).await;
            if exit.is_err() {
                let groups = guard.kill();
                return (timeout(KILL_TIMEOUT, &mut status).await.ok(), Some(groups));
            }
            (exit.ok(), None)
        };
        let (exit, killed) = tokio::select! {
            ended = watched => ended,
            () = reaping => (None, None),
        };
        guard.armed = false;
        Finished {
            exit: exit.and_then(std::result::Result::ok).unwrap_or(ExitStatus::Unknown),
            truncated: out.truncated || err.truncated,
            stdout: out.bytes,
            stderr: err.bytes,
            timed_out: killed.is_some(),
            groups: killed.unwrap_or_default(),
        }
    }
}

/// The exit status, once it is there; what the helper left behind may go on talking for a moment.
async fn exit_and_rest(
    status: &mut oneshot::Receiver<ExitStatus>,
    reading: impl Future,
) -> std::result::Result<ExitStatus, oneshot::error::RecvError> {
    tokio::pin!(reading);
    tokio::select! {
        exit = &mut *status => {
            let _left_open = timeout(OUTPUT_GRACE, reading).await;
            exit
        }
        _ = &mut reading => status.await,
    }
}

/// The beginning of a stream; the rest is read, so that the helper does not block, and dropped.
struct Captured {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Captured {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, truncated: false }
    }

    async fn read(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        // On the heap: a task that may read some day must not hold the buffer all the while.
        let mut buffer = vec![0; 4096];
        // A broken pipe ends the output as its end does.
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let new = &buffer[..count.min(buffer.len())];
            let room = self.limit - self.bytes.len();
            self.bytes.extend_from_slice(&new[..count.min(room)]);
            self.truncated |= count > room;
        }
    }
}
