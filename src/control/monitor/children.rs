//! The monitor's children: runtimes at work, and the containers that they leave to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use crate::control::input::console::ConsoleSocket;
use crate::control::model::request::Stdin;
use crate::control::model::state::ExitStatus;
use crate::control::monitor::note::Note;
use crate::control::monitor::wire::{LaunchRequest, Reply, reply, reply_with};
use crate::control::output::bounded_log::LogTarget;
use crate::control::output::reader::Until;
use crate::control::output::readers::Readers;
use crate::control::output::terminal::Terminal;
use crate::control::process::handle::ProcessIdentity;
use crate::control::process::helper::{self, PATH};
use crate::proc;

/// The socket through which a terminal comes, in the container's directory.
const CONSOLE: &str = "console";
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
    /// Where its terminal comes from.
    console: Option<ConsoleSocket>,
    /// Where the log of its terminal goes.
    target: Option<LogTarget>,
    /// The writing end of its standard input, if that is a pipe that was not closed.
    input: Option<OwnedFd>,
}

/// What a runtime is started with.
struct Started {
    pid: i32,
    console: Option<ConsoleSocket>,
    input: Option<OwnedFd>,
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
    pub(crate) fn launch(&mut self, client: OwnedFd, request: LaunchRequest, fds: Vec<OwnedFd>) {
        let target = request.target.clone();
        let read = target.map_or(Ok(false), |target| self.readers.add(&request.dir, target, Until::Released));
        match read.and_then(|_is_new| spawn(&request, fds)) {
            Ok(Started { pid, console, input }) => {
                reply(&client, &Reply::Started(pid));
                if let Some(Ok(input)) = input.as_ref().map(OwnedFd::try_clone) {
                    reply_with(&client, &Reply::Input(Stdin::Pipe), &[input]);
                }
                // An earlier run in the same directory has ended.
                self.launches.retain(|launch| launch.dir != request.dir);
                let LaunchRequest { dir, pid_file, target, .. } = request;
                let runtime = Some((pid, client));
                self.launches.push(Launch { dir, pid_file, runtime, init: None, console, target, input });
            }
            Err(error) => {
                self.readers.finish(&request.dir);
                reply(&client, &Reply::Failed(error.raw_os_error().unwrap_or(0)));
            }
        }
    }

    /// What has something to read when a terminal comes.
    pub(crate) fn consoles(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.launches.iter().filter_map(|launch| Some(launch.console.as_ref()?.as_fd()))
    }

    /// Takes the terminals that have come.
    pub(crate) fn take_terminals(&mut self) {
        self.launches.iter_mut().for_each(|launch| launch.take_terminal(&mut self.readers));
    }

    /// Gives a client the way to a container's input.
    pub(crate) fn give_input(&self, client: &OwnedFd, dir: &Path) {
        let terminal = self.readers.terminal(dir).filter(|terminal| !terminal.is_released());
        let terminal = terminal.map(|terminal| (Stdin::Terminal, terminal.as_fd()));
        let pipe = || self.launches.iter().filter(|launch| launch.dir == dir).find_map(|l| l.input.as_ref());
        let Some((kind, fd)) = terminal.or_else(|| Some((Stdin::Pipe, pipe()?.as_fd()))) else {
            return reply(client, &Reply::Failed(Errno::NOENT.raw_os_error()));
        };
        match fd.try_clone_to_owned() {
            Ok(input) => reply_with(client, &Reply::Input(kind), &[input]),
            Err(error) => reply(client, &Reply::Failed(error.raw_os_error().unwrap_or(0))),
        }
    }

    /// Closes the input of a container.
    pub(crate) fn close_input(&mut self, client: &OwnedFd, dir: &Path) {
        let launches = self.launches.iter_mut().filter(|launch| launch.dir == dir);
        launches.for_each(|launch| launch.input = None);
        reply(client, &Reply::Closed);
    }

    /// Reads the terminal of a container whose reader was killed.
    pub(crate) fn read_terminal(
        &mut self,
        client: &OwnedFd,
        (dir, target): (&Path, Option<LogTarget>),
        fds: Vec<OwnedFd>,
    ) {
        let is_there = self.readers.terminal(dir).is_some_and(|terminal| !terminal.is_released());
        if let Some(master) = fds.into_iter().next().filter(|_| !is_there) {
            self.readers.add_terminal(dir, Terminal::until_closed(master), target);
        }
        reply(client, &Reply::Reads(true));
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
        // It came before the runtime ended, or never will.
        launch.take_terminal(&mut self.readers);
        launch.console = None;
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

impl Launch {
    /// Takes the terminal if it has come, reads it from now on, and gives it to the client as well.
    fn take_terminal(&mut self, readers: &mut Readers) {
        let Some(console) = &mut self.console else { return };
        // First the runtime calls, then it hands over.
        let taken = match console.take() {
            Ok(None) => return,
            other => other.ok().flatten(),
        };
        self.console = None;
        let Some(master) = taken else { return };
        if let (Some((_, client)), Ok(copy)) = (&self.runtime, master.try_clone()) {
            reply_with(client, &Reply::Input(Stdin::Terminal), &[copy]);
        }
        readers.add_terminal(&self.dir, Terminal::awaited(master), self.target.take());
    }
}

fn exit_of(ended: &WaitIdStatus) -> ExitStatus {
    let code = ended.exit_status().map(ExitStatus::Code);
    code.or_else(|| ended.terminating_signal().map(ExitStatus::Signal)).unwrap_or(ExitStatus::Unknown)
}

fn read_pid(file: &Path) -> Option<i32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Starts a runtime as the daemon would: one `PATH`, a process group of its own, and no signal blocked. It has nothing to
/// read, or the container's input.
fn spawn(request: &LaunchRequest, mut fds: Vec<OwnedFd>) -> std::io::Result<Started> {
    if fds.is_empty() {
        return Err(Errno::INVAL.into());
    }
    let mut passed = fds.split_off(1);
    let output = fds.pop().ok_or(Errno::INVAL)?;
    if request.is_opened && passed.is_empty() {
        return Err(Errno::INVAL.into());
    }
    let opened = request.is_opened.then(|| passed.remove(0));
    let (stdin, input) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let input = Some(input).filter(|_| request.stdin == Stdin::Pipe);
    if let Some(input) = &input {
        rustix::io::ioctl_fionbio(input, true)?;
    }
    let mut args = request.args.clone();
    let mut console = None;
    if request.stdin == Stdin::Terminal {
        let socket = ConsoleSocket::bind(&request.dir, CONSOLE).map_err(std::io::Error::other)?;
        let place = args.iter().position(|word| word == "--").ok_or(Errno::INVAL)?;
        args.splice(place..place, ["--console-socket".into(), socket.path().into()]);
        console = Some(socket);
    }
    let mut command = helper::command(&request.program, opened.as_ref());
    command.args(&args).env_clear().env("PATH", PATH).process_group(0);
    command.stdin(stdin).stdout(Stdio::from(output.try_clone()?)).stderr(output);
    crate::sys::pass_on(&mut command, &passed)?;
    crate::sys::exits::unblock_signals(&mut command);
    // Reaped as everything is.
    let pid = command.spawn()?.id().cast_signed();
    Ok(Started { pid, console, input })
}
