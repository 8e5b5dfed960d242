//! Runs the administrator's program for one dump: in a process group of its own, with an environment of one `PATH`, without
//! input, for a bounded time and with bounded output.

use std::io::{PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::pidfd::PidFd;
use crate::settings::notify::{Exec, Values};
use crate::sys;

/// Where the program and what it starts look for programs.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much of the last words of the program is kept, in bytes.
const MAX_OUTPUT_TAIL: usize = 1024;
/// How often an old kernel is asked whether the program has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The most pieces that are read of what it wrote just before its end.
const MAX_LAST_READS: usize = 64;

/// Runs the program, and ends whatever is left of its process group. Gives the end of what it wrote.
///
/// # Errors
/// [`ErrorKind::Timeout`] when it ran too long, [`ErrorKind::System`] when it failed or cannot be run.
pub(super) fn run(exec: &Exec, values: Values<'_>, time: Duration) -> Result<String> {
    let program = exec.program().display();
    let (reader, writer) = std::io::pipe().tried(|| "cannot make a pipe")?;
    let mut command = Command::new(exec.program());
    command.args(exec.arguments(values)).env_clear().env("PATH", PATH).current_dir("/").process_group(0);
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone().tried(|| "cannot copy a pipe")?).stderr(writer);
    let child = sys::tie_child(&mut command, None).spawn().tried(|| format!("cannot run {program}"))?;
    // The command holds the writing end; without it the reader would never see the end.
    drop(command);
    let mut run = Run { child, reader: Some(reader), output: Vec::new() };
    let has_ended = run.attend(Instant::now() + time);
    let status = run.end().tried(|| format!("cannot wait for {program}"))?;
    let said = String::from_utf8_lossy(&run.output).split_whitespace().collect::<Vec<_>>().join(" ");
    let fail = |kind, how: String| {
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Err(Error::new(kind, format!("{program} {how}{said}")))
    };
    if !has_ended {
        return fail(ErrorKind::Timeout, format!("did not end within {} s and was killed", time.as_secs()));
    }
    if !status.success() {
        return fail(ErrorKind::System, format!("ended with {status}"));
    }
    Ok(said)
}

/// A run of the program, which is not reaped before [`Run::end`]: until then its number is not another's.
struct Run {
    child: Child,
    reader: Option<PipeReader>,
    output: Vec<u8>,
}

impl Run {
    /// Reads what the program writes until it ends. Gives whether it did so by the deadline.
    fn attend(&mut self, deadline: Instant) -> bool {
        let pidfd = PidFd::open(self.child.id().cast_signed()).ok();
        let pidfd = pidfd.as_ref().and_then(PidFd::fd);
        loop {
            if self.has_ended() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let left = if pidfd.is_some() { left } else { left.min(POLL_INTERVAL) };
            let mut fds: Vec<PollFd<'_>> = Vec::new();
            fds.extend(self.reader.as_ref().map(|reader| PollFd::new(reader, PollFlags::IN)));
            fds.extend(pidfd.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
            let timeout = Timespec::try_from(left).unwrap_or_default();
            let polled = poll(&mut fds, Some(&timeout));
            let has_output =
                self.reader.is_some() && fds.first().is_some_and(|pipe| !pipe.revents().is_empty());
            drop(fds);
            if polled.is_ok() && has_output {
                self.read();
            }
        }
    }

    /// An error counts as its end, which [`Run::end`] reports: it must not be asked without a pause.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.id()), options), Ok(None))
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends the process group, reaps the program, and reads what is left.
    fn end(&mut self) -> std::io::Result<std::process::ExitStatus> {
        // It may have gone, or the program may have left it.
        let _gone = kill_process_group(self.id(), Signal::KILL);
        let _ended = self.child.kill();
        let status = self.child.wait()?;
        for _ in 0..MAX_LAST_READS {
            let Some(reader) = &self.reader else { break };
            let mut fds = [PollFd::new(reader, PollFlags::IN)];
            if poll(&mut fds, Some(&Timespec::default())) != Ok(1) {
                break;
            }
            self.read();
        }
        Ok(status)
    }

    /// Reads once, and keeps the end of everything.
    fn read(&mut self) {
        let mut chunk = [0; 4096];
        match self.reader.as_mut().map_or(Ok(0), |reader| reader.read(&mut chunk)) {
            Ok(0) | Err(_) => self.reader = None,
            Ok(count) => self.output.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
        if self.output.len() > MAX_OUTPUT_TAIL {
            self.output.drain(..self.output.len() - MAX_OUTPUT_TAIL);
        }
    }
}
