//! The daemon's side: finds the monitor or starts one, and has it launch containers.

use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::control::model::state::ExitStatus;
use crate::control::monitor::serve::ARGUMENT;
use crate::control::monitor::wire::{self, LaunchRequest, Reply, Request, VERSION};
use crate::control::output::bounded_log::LogTarget;
use crate::control::process::cgroup::Cgroups;
use crate::control::process::handle::Process;
use crate::control::process::helper::{Finished, cannot_run};
use crate::control::process::{reaper, tree};
use crate::error::{Error, ErrorKind, Result, Tried};

/// What the names of monitors' sockets begin with, in the state directory. No container has such an id.
pub(crate) const SOCKET_PREFIX: &str = "+monitor.";
/// How often a monitor is called or started: one may end just when it is called.
const MAX_CALLS: u32 = 5;
/// How long a monitor may take to greet, and how long it is left alone when too many call.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// The monitor of one state directory.
#[derive(Debug)]
pub(crate) struct Monitor {
    state_dir: PathBuf,
    /// Held while one is called: two starts must not make two monitors.
    turn: tokio::sync::Mutex<()>,
    /// The monitors whose end is waited for, and those that have ended.
    watched: Arc<Mutex<BTreeSet<i32>>>,
    ended: Arc<Notify>,
}

/// What a monitor is to launch.
pub(crate) struct Runtime {
    pub(crate) request: LaunchRequest,
    pub(crate) output: OwnedFd,
    pub(crate) passed: Vec<OwnedFd>,
}

impl Monitor {
    pub(crate) fn new(state_dir: PathBuf) -> Self {
        Self {
            state_dir,
            turn: tokio::sync::Mutex::default(),
            watched: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// Waits until a monitor has ended that reads the output of containers.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn lock(watched: &Mutex<BTreeSet<i32>>) -> MutexGuard<'_, BTreeSet<i32>> {
        watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports the end of a monitor, once.
    fn watch(&self, pid: i32) {
        if !Self::lock(&self.watched).insert(pid) {
            return;
        }
        let (watched, ended) = (Arc::clone(&self.watched), Arc::clone(&self.ended));
        tokio::spawn(async move {
            if let Ok(process) = Process::open(pid) {
                process.wait().await;
            }
            Self::lock(&watched).remove(&pid);
            ended.notify_one();
        });
    }

    /// Watches the monitors of earlier daemons, whatever they bequeathed.
    pub(crate) async fn watch_all(&self) {
        let names = std::fs::read_dir(&self.state_dir).into_iter().flatten().flatten();
        for name in names.map(|entry| entry.file_name()) {
            let name = name.to_string_lossy();
            let line = dial(&self.state_dir, &name).ok().filter(|_| name.starts_with(SOCKET_PREFIX));
            let Some(Ok(line)) = line.map(crate::sys::wait_readable) else { continue };
            if let Ok(Ok(Reply::Ready(pid))) = timeout(GREETING_TIMEOUT, hear(&line)).await {
                self.watch(pid);
            }
        }
    }

    /// Has the output of the container that has this directory read, if no other process does.
    ///
    /// # Errors
    /// As of [`Monitor::run`]; the container has no pipe.
    pub(crate) async fn read_output(&self, dir: PathBuf, target: LogTarget) -> Result<()> {
        let what = || format!("the monitor cannot read the output of {}", dir.display());
        let (line, pid) = self.call().await?;
        wire::send(line.get_ref(), &Request::Read(dir.clone(), target).encode(), &[]).tried(what)?;
        match timeout(GREETING_TIMEOUT, hear(&line))
            .await
            .map_err(std::io::Error::from)
            .tried(what)?
            .tried(what)?
        {
            Reply::Failed(number) => Err(std::io::Error::from_raw_os_error(number)).tried(what),
            Reply::Reads(true) => {
                self.watch(pid);
                Ok(())
            }
            // Another one does, or the container has closed its output: this one has no reason to stay.
            _ => Ok(()),
        }
    }

    /// Has a runtime run to its end, or be killed with all its descendants at the deadline. It goes on when the future is
    /// dropped, and when this process ends.
    ///
    /// # Errors
    /// As of a helper's start; there can be no monitor, or it was killed meanwhile.
    pub(crate) async fn run(&self, runtime: Runtime, deadline: Duration) -> Result<Finished> {
        let mut started = None;
        match timeout(deadline, self.see_through(runtime, &mut started)).await {
            Ok(exit) => Ok(finished(exit?, None)),
            Err(_) => {
                let runs = started.filter(Process::runs);
                let groups = runs.map(|runtime| tree::kill(runtime.identity().pid)).unwrap_or_default();
                Ok(finished(ExitStatus::Unknown, Some(groups)))
            }
        }
    }

    async fn see_through(&self, runtime: Runtime, started: &mut Option<Process>) -> Result<ExitStatus> {
        let Runtime { request, output, passed } = runtime;
        let (line, pid) = self.call().await?;
        self.watch(pid);
        let fds: Vec<_> = std::iter::once(output).chain(passed).collect();
        let program = request.program.display().to_string();
        wire::send(line.get_ref(), &Request::Launch(request).encode(), &fds)
            .tried(|| "cannot ask the monitor of containers")?;
        drop(fds);
        loop {
            match hear(&line).await.tried(|| "the monitor of containers has ended")? {
                Reply::Ready(_) | Reply::Reads(_) => {}
                // It may have ended by now.
                Reply::Started(pid) => *started = Process::open(pid).ok(),
                Reply::Ended(exit) => return Ok(exit),
                Reply::Failed(number) => {
                    let error = std::io::Error::from_raw_os_error(number);
                    return Err(cannot_run(&program, error));
                }
            }
        }
    }

    /// A line to a monitor that has greeted, and its process id: it stays until it has done what it is asked.
    async fn call(&self) -> Result<(AsyncFd<OwnedFd>, i32)> {
        let _turn = self.turn.lock().await;
        let what = || "cannot reach the monitor of containers";
        let name = socket_name().tried(what)?;
        let mut last = Errno::CONNREFUSED;
        for _ in 0..MAX_CALLS {
            match dial(&self.state_dir, &name) {
                Ok(line) => {
                    let line = crate::sys::wait_readable(line).tried(what)?;
                    match timeout(GREETING_TIMEOUT, hear(&line)).await {
                        Ok(Ok(Reply::Ready(pid))) => return Ok((line, pid)),
                        Ok(Ok(_)) => return Err(Error::new(ErrorKind::System, what())),
                        // It was about to end.
                        Ok(Err(_)) => {}
                        Err(_) => {
                            return Err(Error::new(ErrorKind::Timeout, "the monitor of containers hangs"));
                        }
                    }
                }
                Err(Errno::AGAIN) => sleep(BUSY_PAUSE).await,
                Err(Errno::NOENT | Errno::CONNREFUSED) => start(&self.state_dir, &name)?,
                Err(error) => last = error,
            }
        }
        Err(last).tried(what)
    }
}

fn finished(exit: ExitStatus, killed: Option<Vec<Cgroups>>) -> Finished {
    let (timed_out, groups) = (killed.is_some(), killed.unwrap_or_default());
    Finished { exit, stdout: Vec::new(), stderr: Vec::new(), truncated: false, timed_out, groups }
}

/// The next thing that the monitor says.
async fn hear(line: &AsyncFd<OwnedFd>) -> std::io::Result<Reply> {
    loop {
        let mut guard = line.readable().await?;
        match wire::receive(line.get_ref()) {
            Err(Errno::AGAIN) => guard.clear_ready(),
            Ok((message, _)) if message.is_empty() => return Err(Errno::PIPE.into()),
            Ok((message, _)) => return serde_json::from_slice(&message).map_err(std::io::Error::from),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a process bequeaths to its children, as /proc has it.
const BEQUEATHED: [&str; 9] =
    ["Umask:", "Uid:", "Gid:", "Groups:", "NoNewPrivs:", "Seccomp:", "CapInh:", "CapPrm:", "CapBnd:"];

/// The name of the socket: a monitor serves only daemons of the same program that would bequeath the same to containers.
fn socket_name() -> std::io::Result<String> {
    let mut hasher = DefaultHasher::new();
    VERSION.hash(&mut hasher);
    for name in ["exe", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/user", "ns/uts"] {
        // A kernel may have fewer of them.
        let found = std::fs::metadata(format!("/proc/self/{name}")).map(|found| (found.dev(), found.ino()));
        found.ok().hash(&mut hasher);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let lines = status.lines().filter(|line| BEQUEATHED.iter().any(|name| line.starts_with(name)));
    lines.for_each(|line| line.hash(&mut hasher));
    for name in ["limits", "cgroup"] {
        std::fs::read(format!("/proc/self/{name}")).unwrap_or_default().hash(&mut hasher);
    }
    Ok(format!("{SOCKET_PREFIX}{:016x}", hasher.finish()))
}

/// Removes the socket of a monitor that has ended.
pub(crate) fn remove_stale(state_dir: &Path, name: &str) {
    if matches!(dial(state_dir, name), Err(Errno::CONNREFUSED)) {
        // One that stays does no harm.
        let _gone = std::fs::remove_file(state_dir.join(name));
    }
}

/// The address of the socket, short enough for every directory; good as long as the directory is open.
fn address(dir: &File, name: &str) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

fn dial(state_dir: &Path, name: &str) -> rustix::io::Result<OwnedFd> {
    let dir = open(state_dir)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let line = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&line, &address(&dir, name)?)?;
    Ok(line)
}

fn open(state_dir: &Path) -> rustix::io::Result<File> {
    File::open(state_dir).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Starts a monitor: this program again, by what the kernel holds of it, as its file may be another's by now.
fn start(state_dir: &Path, name: &str) -> Result<()> {
    let what = || "cannot start the monitor of containers";
    let listener = listener(state_dir, name).tried(what)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("ocicontainer").arg(ARGUMENT).env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    crate::sys::pass_on(&mut command, &[listener]).tried(what)?;
    // It is reaped as everything is.
    reaper::spawn(&mut command).tried(what).map(drop)
}

fn listener(state_dir: &Path, name: &str) -> std::io::Result<OwnedFd> {
    let dir = open(state_dir)?;
    let path = state_dir.join(name);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    bind(&listener, &address(&dir, name)?)?;
    // Before it listens: others can pass through the directory.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    listen(&listener, 64)?;
    Ok(listener)
}
