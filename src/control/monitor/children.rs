//! The monitor's children: runtimes at work, and the containers that they leave to it.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::control::model::state::ExitStatus;
use crate::control::monitor::note::Note;
use crate::control::monitor::wire::{LaunchRequest, Reply, reply};
use crate::control::output::bounded_log::LogTarget;
use crate::control::output::reader::Until;
use crate::control::output::readers::Readers;
use crate::control::process::handle::ProcessIdentity;
use crate::control::process::helper::PATH;
use crate::proc;

/// The most ends that are kept until the runtimes at work have said which process is the container's.
const MAX_EARLY: usize = 4096;

/// A container, from the start of its runtime to its end.
#[derive(Debug)]
struct Launch {
    dir: PathBuf,
    pid_file: PathBuf,
    /// The runtime at work, and the client that waits for it.
    runtime: Option<(i32, OwnedFd)>,
    /// The container's first process, once the runtime has ended.
    init: Option<i32>,
}

/// All children.
#[derive(Debug, Default)]
pub(crate) struct Children {
    launches: Vec<Launch>,
    /// Processes that ended while runtimes were at work: one may be a container's that ended at once.
    early: Vec<Note>,
    /// Notes that a full disk keeps from being written.
    unwritten: Vec<(PathBuf, Note)>,
    /// What reads the containers' output.
    pub(crate) readers: Readers,
}

impl Children {
    /// Runs a runtime for a client.
    pub(crate) fn launch(&mut self, client: OwnedFd, mut request: LaunchRequest, fds: Vec<OwnedFd>) {
        let target = request.target.take();
        let read = target.map_or(Ok(false), |target| self.readers.add(&request.dir, target, Until::Released));
        match read.and_then(|_is_new| spawn(&request, fds)) {
            Ok(pid) => {
                reply(&client, &Reply::Started(pid));
                // An earlier run in the same directory has ended.
                self.launches.retain(|launch| launch.dir != request.dir);
                let LaunchRequest { dir, pid_file, .. } = request;
                self.launches.push(Launch { dir, pid_file, runtime: Some((pid, client)), init: None });
            }
            Err(error) => {
                self.readers.finish(&request.dir);
                reply(&client, &Reply::Failed(error.raw_os_error().unwrap_or(0)));
            }
        }
    }

    /// Reads the output of a container whose reader was killed.
    pub(crate) fn read_output(&mut self, client: &OwnedFd, dir: &Path, target: LogTarget) {
        let said = match self.readers.add(dir, target, Until::LastWriter) {
            Ok(is_ours) => Reply::Reads(is_ours),
            Err(error) => Reply::Failed(error.raw_os_error().unwrap_or(0)),
        };
        reply(client, &said);
    }

    /// Reaps everything that has ended, each after what must be known of it is written; whether there are children left.
    pub(crate) fn reap(&mut self) -> bool {
        loop {
            let pid = match crate::sys::exits::ended_child() {
                Ok(Some(pid)) => pid,
                Ok(None) => return true,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                // ECHILD.
                Err(_) => return false,
            };
            let Some(number) = Pid::from_raw(pid) else { return true };
            let start_time = proc::stat::stat(pid).ok().flatten().map_or(0, |stat| stat.start_time);
            let how = waitid(WaitId::Pid(number), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            let exit = how.ok().flatten().as_ref().map_or(ExitStatus::Unknown, exit_of);
            self.ended(Note { init: ProcessIdentity { pid, start_time }, exit });
            let _reaped = waitid(WaitId::Pid(number), WaitIdOptions::EXITED);
        }
    }

    /// Tries again to write what could not be written; whether something is left to write.
    pub(crate) fn write_rest(&mut self) -> bool {
        let unwritten = std::mem::take(&mut self.unwritten);
        unwritten.into_iter().for_each(|(dir, note)| self.write(dir, note));
        !self.unwritten.is_empty()
    }

    fn ended(&mut self, note: Note) {
        let pid = note.init.pid;
        let is_runtime =
            |launch: &Launch| launch.runtime.as_ref().is_some_and(|(runtime, _)| *runtime == pid);
        if let Some(at) = self.launches.iter().position(is_runtime) {
            self.runtime_ended(at, note.exit);
        } else if let Some(at) = self.launches.iter().position(|launch| launch.init == Some(pid)) {
            let launch = self.launches.swap_remove(at);
            self.readers.finish(&launch.dir);
            self.write(launch.dir, note);
        } else if self.launches.iter().any(|launch| launch.runtime.is_some()) {
            // The oldest are those that no runtime has asked for until now.
            if self.early.len() >= MAX_EARLY {
                self.early.remove(0);
            }
            self.early.push(note);
        }
        if self.launches.iter().all(|launch| launch.runtime.is_none()) {
            self.early.clear();
        }
    }

    fn runtime_ended(&mut self, at: usize, exit: ExitStatus) {
        let Some(mut launch) = (at < self.launches.len()).then(|| self.launches.swap_remove(at)) else {
            return;
        };
        let client = launch.runtime.take();
        let init = read_pid(&launch.pid_file);
        // Why it failed is in there.
        self.readers.read_of(&launch.dir);
        if let Some(early) = self.early.iter().find(|note| Some(note.init.pid) == init).copied() {
            self.readers.finish(&launch.dir);
            self.write(launch.dir, early);
        } else if init.is_some_and(|pid| proc::stat::stat(pid).ok().flatten().is_some()) {
            // A child of the runtime's, perhaps, that becomes ours in a moment.
            self.launches.push(Launch { init, ..launch });
        } else {
            self.readers.finish(&launch.dir);
        }
        if let Some((_, client)) = client {
            reply(&client, &Reply::Ended(exit));
        }
    }

    fn write(&mut self, dir: PathBuf, note: Note) {
        // A directory that is gone needs no note.
        if note.write(&dir).is_err() && dir.is_dir() {
            self.unwritten.push((dir, note));
        }
    }
}

fn exit_of(ended: &WaitIdStatus) -> ExitStatus {
    let code = ended.exit_status().map(ExitStatus::Code);
    code.or_else(|| ended.terminating_signal().map(ExitStatus::Signal)).unwrap_or(ExitStatus::Unknown)
}

fn read_pid(file: &Path) -> Option<i32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Starts a runtime as the daemon would: one `PATH`, a process group of its own, nothing to read, and no signal blocked.
fn spawn(request: &LaunchRequest, mut fds: Vec<OwnedFd>) -> std::io::Result<i32> {
    if fds.is_empty() {
        return Err(Errno::INVAL.into());
    }
    let passed = fds.split_off(1);
    let output = fds.pop().ok_or(Errno::INVAL)?;
    let (stdin, _closed) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new(&request.program);
    command.args(&request.args).env_clear().env("PATH", PATH).process_group(0);
    command.stdin(stdin).stdout(Stdio::from(output.try_clone()?)).stderr(output);
    crate::sys::pass_on(&mut command, &passed)?;
    crate::sys::exits::unblock_signals(&mut command);
    // Reaped as everything is.
    Ok(command.spawn()?.id().cast_signed())
}
