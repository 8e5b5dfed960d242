//! The daemon's side: finds the monitor or starts one, and has it launch containers.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::control::model::state::ExitStatus;
use crate::control::monitor::serve::ARGUMENT;
use crate::control::monitor::socket::{dial, socket_name, sockets, start};
use crate::control::monitor::wire::{self, LaunchRequest, Reply, Request};
use crate::control::output::bounded_log::LogTarget;
use crate::control::process::cgroup::Cgroups;
use crate::control::process::handle::Process;
use crate::control::process::helper::{Finished, cannot_run};
use crate::control::process::tree;
use crate::error::{Error, ErrorKind, Result, Tried};

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
    /// The runtime's program, if it is open.
    pub(crate) opened: Option<OwnedFd>,
    pub(crate) passed: Vec<OwnedFd>,
}

/// What became of a launch.
pub(crate) struct Launched {
    /// The runtime.
    pub(crate) finished: Finished,
    /// The way to the container's input.
    pub(crate) input: Option<OwnedFd>,
}

/// What is known of a launch under way.
#[derive(Default)]
struct Started {
    runtime: Option<Process>,
    input: Option<OwnedFd>,
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
        let sockets = sockets(&self.state_dir);
        for name in sockets {
            if let Some((_, pid)) = self.greet(&name).await {
                self.watch(pid);
            }
        }
    }

    /// A line to the monitor with this socket, and its process id, if there is one.
    async fn greet(&self, name: &str) -> Option<(AsyncFd<OwnedFd>, i32)> {
        let line = crate::sys::wait_readable(dial(&self.state_dir, name).ok()?).ok()?;
        match timeout(GREETING_TIMEOUT, hear(&line)).await {
            Ok(Ok(Reply::Ready(pid))) => Some((line, pid)),
            _ => None,
        }
    }

    /// Asks every monitor, also those of earlier daemons; what each replied.
    async fn ask_all(&self, request: &Request) -> Vec<(Reply, Option<OwnedFd>)> {
        let (mut replies, request) = (Vec::new(), request.encode());
        for name in sockets(&self.state_dir) {
            let Some((line, _)) = self.greet(&name).await else { continue };
            if wire::send(line.get_ref(), &request, &[]).is_ok()
                && let Ok(Ok((reply, fds))) = timeout(GREETING_TIMEOUT, hear_with(&line)).await
            {
                replies.push((reply, fds.into_iter().next()));
            }
        }
        replies
    }

    /// The way to the input of the container that has this directory, from the monitor that has it.
    pub(crate) async fn input(&self, dir: PathBuf) -> Option<OwnedFd> {
        let replies = self.ask_all(&Request::Input(dir)).await;
        replies.into_iter().find_map(|(reply, fd)| fd.filter(|_| matches!(reply, Reply::Input(_))))
    }

    /// Closes the input of the container that has this directory. A terminal has no end.
    pub(crate) async fn close_input(&self, dir: PathBuf) {
        self.ask_all(&Request::Close(dir)).await;
    }

    /// Has the output of the container that has this directory read, if no other process does.
    ///
    /// # Errors
    /// As of [`Monitor::run`]; the container has no pipe.
    pub(crate) async fn read_output(&self, dir: PathBuf, target: LogTarget) -> Result<()> {
        self.have_read(&Request::Read(dir, target), &[]).await
    }

    /// Has the terminal of the container that has this directory read.
    ///
    /// # Errors
    /// As of [`Monitor::run`].
    pub(crate) async fn read_terminal(
        &self,
        dir: PathBuf,
        target: Option<LogTarget>,
        terminal: OwnedFd,
    ) -> Result<()> {
        self.have_read(&Request::ReadTerminal(dir, target), &[terminal]).await
    }

    async fn have_read(&self, request: &Request, fds: &[OwnedFd]) -> Result<()> {
        let what = || "the monitor cannot read the output of a container";
        let (line, pid) = self.call().await?;
        wire::send(line.get_ref(), &request.encode(), fds).tried(what)?;
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
    pub(crate) async fn run(&self, runtime: Runtime, deadline: Duration) -> Result<Launched> {
        let mut started = Started::default();
        match timeout(deadline, self.see_through(runtime, &mut started)).await {
            Ok(exit) => Ok(Launched { finished: finished(exit?, None), input: started.input }),
            Err(_) => {
                let runs = started.runtime.filter(Process::runs);
                let groups = runs.map(|runtime| tree::kill(runtime.identity().pid)).unwrap_or_default();
                Ok(Launched { finished: finished(ExitStatus::Unknown, Some(groups)), input: None })
            }
        }
    }

    async fn see_through(&self, runtime: Runtime, started: &mut Started) -> Result<ExitStatus> {
        let Runtime { request, output, opened, passed } = runtime;
        let (line, pid) = self.call().await?;
        self.watch(pid);
        let fds: Vec<_> = std::iter::once(output).chain(opened).chain(passed).collect();
        let program = request.program.display().to_string();
        wire::send(line.get_ref(), &Request::Launch(request).encode(), &fds)
            .tried(|| "cannot ask the monitor of containers")?;
        drop(fds);
        loop {
            let (reply, fds) = hear_with(&line).await.tried(|| "the monitor of containers has ended")?;
            match reply {
                Reply::Ready(_) | Reply::Reads(_) | Reply::Closed => {}
                // It may have ended by now.
                Reply::Started(pid) => started.runtime = Process::open(pid).ok(),
                Reply::Input(_) => started.input = fds.into_iter().next(),
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
                            let error = Error::new(ErrorKind::Timeout, "the monitor of containers hangs");
                            return Err(error.advise(format!(
                                "if it goes on so, kill it (pgrep -f {ARGUMENT}): containers run on"
                            )));
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
    hear_with(line).await.map(|(reply, _)| reply)
}

/// The same with what comes along.
async fn hear_with(line: &AsyncFd<OwnedFd>) -> std::io::Result<(Reply, Vec<OwnedFd>)> {
    loop {
        let mut guard = line.readable().await?;
        match wire::receive(line.get_ref()) {
            Err(Errno::AGAIN) => guard.clear_ready(),
            Ok((message, _)) if message.is_empty() => return Err(Errno::PIPE.into()),
            Ok((message, fds)) => return Ok((serde_json::from_slice(&message)?, fds)),
            Err(error) => return Err(error.into()),
        }
    }
}
