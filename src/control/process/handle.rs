//! A process that is never mistaken for another one with the same number.

use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::control::model::state::ExitStatus;
use crate::control::process::reaper;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc;
use crate::proc::pidfd::PidFd;
use crate::sys::exits::{KernelExit, pidfd_exit};

/// How often a process is looked at that is neither our child nor known to a kernel with pidfds (before 5.3).
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long the exit status of a process that ended may take to reach us, and how often it is looked for.
const STATUS_TIMEOUT: Duration = Duration::from_secs(1);
const STATUS_INTERVAL: Duration = Duration::from_millis(2);
/// How long a process that has ended may take to be reaped.
const REAP_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads how a process ended.
pub(crate) type ExitNote<'a> = dyn Fn(ProcessIdentity) -> Option<ExitStatus> + Send + Sync + 'a;

/// What distinguishes a process from a later one with the same number, written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// The process id.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot: proc(5), field 22 of `stat`.
    pub(crate) start_time: u64,
}

impl ProcessIdentity {
    /// Waits until a process that has ended is reaped, unless its parent takes too long for that.
    pub(crate) async fn reaped(self) {
        let is_there = || {
            let stat = proc::stat::stat(self.pid).ok().flatten();
            stat.is_some_and(|stat| stat.start_time == self.start_time && stat.is_dead())
        };
        let began = tokio::time::Instant::now();
        while is_there() && began.elapsed() < REAP_TIMEOUT {
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
    }
}

/// A process we hold on to.
#[derive(Debug)]
pub(crate) struct Process {
    identity: ProcessIdentity,
    /// `None` for a child that was reaped already.
    held: Option<PidFd>,
    /// For our own children: the exit status, from the reaper.
    status: Mutex<Option<oneshot::Receiver<ExitStatus>>>,
}

impl Process {
    /// Holds on to the process that has this number now. A child of ours may have ended already.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub(crate) fn open(pid: i32) -> Result<Self> {
        Self::open_as(pid, false)
    }

    /// Holds on to a process that a child of ours started and left to us.
    ///
    /// # Errors
    /// As [`Process::open`].
    pub(crate) fn open_orphan(pid: i32) -> Result<Self> {
        Self::open_as(pid, true)
    }

    fn open_as(pid: i32, expected: bool) -> Result<Self> {
        let none = || Error::new(ErrorKind::NotFound, format!("there is no process {pid}"));
        let number = Pid::from_raw(pid.max(0)).ok_or_else(none)?;
        let held = match PidFd::open(pid) {
            Ok(held) => Some(held),
            // A child that was reaped already, perhaps: its exit status may be there.
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => None,
            Err(error) => return Err(error).tried(|| format!("cannot hold process {pid}")),
        };
        let start_time = held.as_ref().and_then(PidFd::start_time);
        if start_time.is_some() {
            reaper::forget_earlier(number);
        }
        let status = reaper::watch(number, expected && start_time.is_some());
        if start_time.is_none() && status.is_none() {
            return Err(none());
        }
        let identity = ProcessIdentity { pid, start_time: start_time.unwrap_or(0) };
        Ok(Self { identity, held, status: Mutex::new(status) })
    }

    /// A process that has ended, and how.
    pub(crate) fn ended(identity: ProcessIdentity, exit: ExitStatus) -> Self {
        let (sender, receiver) = oneshot::channel();
        // The receiver is right here.
        let _received = sender.send(exit);
        Self { identity, held: None, status: Mutex::new(Some(receiver)) }
    }

    /// Holds on to the process that was written down, if it still runs.
    pub(crate) fn reopen(identity: ProcessIdentity) -> Option<Self> {
        let process = Self::open(identity.pid).ok()?;
        (process.identity == identity && !process.has_ended()).then_some(process)
    }

    /// A runtime that was called with `--bundle BUNDLE` and is still at work.
    ///
    /// It must be of our user and in our pid namespace: inside a container any process can give itself any name.
    pub(crate) fn find_runtime_of(bundle: &Path) -> Option<Self> {
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
        let us = rustix::process::geteuid().as_raw();
        let pids = std::fs::read_dir("/proc").ok()?.flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let mut found = pids.filter(|pid| {
            let dir = PathBuf::from(format!("/proc/{pid}"));
            std::fs::metadata(&dir).is_ok_and(|metadata| metadata.uid() == us)
                && std::fs::read_link(dir.join("ns/pid")).is_ok_and(|other| other == namespace)
                && std::fs::read(dir.join("cmdline")).is_ok_and(|line| names_bundle(&line, bundle))
        });
        found.find_map(|pid| Self::open(pid).ok().filter(Self::runs))
    }

    /// What to write down.
    pub(crate) fn identity(&self) -> ProcessIdentity {
        self.identity
    }

    /// Whether it is known not to have ended; a zombie has. What was read by its number is of it then.
    pub(crate) fn runs(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.has_ended().is_ok_and(|ended| !ended))
    }

    /// Whether it is known to have ended: one that cannot be looked at just now is not given up.
    pub(crate) fn has_ended(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.has_ended().unwrap_or(false))
    }

    /// Sends it a signal; false when it has ended.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        let Some(held) = &self.held else { return Ok(false) };
        held.signal(signal)
            .tried(|| format!("cannot send signal {signal:?} to process {}", self.identity.pid))
    }

    /// Waits until it has ended. For one call: a second one knows the end but perhaps not the status.
    pub(crate) async fn wait(&self) -> ExitStatus {
        self.wait_noted(None).await
    }

    /// As [`Process::wait`]; `note` reads how it ended where another process writes that down before it reaps it.
    pub(crate) async fn wait_noted(&self, note: Option<&ExitNote<'_>>) -> ExitStatus {
        let mut status = self.status.lock().ok().and_then(|mut status| status.take());
        match &mut status {
            None => self.vanished().await,
            // Before pidfds there is nothing to wait for but the reaper.
            Some(status) if self.fd().is_none() => return status.await.unwrap_or(ExitStatus::Unknown),
            Some(status) => tokio::select! {
                status = &mut *status => return status.unwrap_or(ExitStatus::Unknown),
                () = self.vanished() => {}
            },
        }
        let deadline = tokio::time::Instant::now() + STATUS_TIMEOUT;
        loop {
            let received = status.as_mut().and_then(|status| status.try_recv().ok());
            if let Some(exit) = received.or_else(|| self.known_exit(note)) {
                return exit;
            }
            let hopeless = status.is_none() && note.is_none() && self.kernel_exit() == KernelExit::Never;
            if hopeless || tokio::time::Instant::now() >= deadline {
                return ExitStatus::Unknown;
            }
            // The reaper is about to send the status, or the parent to reap it.
            tokio::time::sleep(STATUS_INTERVAL).await;
        }
    }

    /// How it ended, from whom it is known after its end: a parent's note, the kernel, our own reaper when it fell to us.
    fn known_exit(&self, note: Option<&ExitNote<'_>>) -> Option<ExitStatus> {
        let noted = note.and_then(|note| note(self.identity));
        let known = noted.or_else(|| match self.kernel_exit() {
            KernelExit::Status(status) => Some(ExitStatus::of_wait(status)),
            // Reaped by then, so that a status under this number is of this process.
            KernelExit::Never => Pid::from_raw(self.identity.pid).and_then(reaper::claim),
            KernelExit::NotYet => None,
        });
        // Its parent may be one that waits for no child, or the kernel one that forgets.
        known.or_else(|| {
            let ProcessIdentity { pid, start_time } = self.identity;
            proc::stat::exit_of_zombie(pid, start_time).map(ExitStatus::of_wait)
        })
    }

    fn kernel_exit(&self) -> KernelExit {
        self.fd().map_or(KernelExit::Never, pidfd_exit)
    }

    /// The descriptor that becomes readable at its end; `None` on kernels before 5.3.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.held.as_ref().and_then(PidFd::fd)
    }

    /// Waits until it has ended, also when it is not our child.
    async fn vanished(&self) {
        let copy = self.fd().and_then(|fd| fd.try_clone_to_owned().ok());
        let pidfd = copy.and_then(|fd| crate::sys::wait_readable(fd).ok());
        match pidfd {
            // An error means that the I/O driver is gone, and with it everything else.
            Some(pidfd) => drop(pidfd.readable().await),
            None => {
                while !self.has_ended() {
                    tokio::time::sleep(POLL_INTERVAL).await;
                }
            }
        }
    }
}

/// Whether the words of a command line, each ended by a NUL byte, have `--bundle BUNDLE` among them.
fn names_bundle(line: &[u8], bundle: &Path) -> bool {
    let mut words = line.split(|byte| *byte == 0);
    words.any(|word| word == b"--bundle") && words.next() == Some(bundle.as_os_str().as_bytes())
}

/// The parent of a process.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    proc::stat::stat(pid).ok().flatten().map(|stat| stat.parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_process_is_known_whose_parent_waits_for_no_child() {
        use std::io::{BufRead, BufReader, Write};
        use std::process::{Command, Stdio};

        for (end, expected) in [
            ("exit 7", ExitStatus::Code(7)),
            ("exit 0", ExitStatus::Code(0)),
            ("kill -9 $$", ExitStatus::Signal(9)),
        ] {
            let script = format!("exec 3<&0; sh -c 'read _go; {end}' <&3 & echo $!; exec sleep 1000");
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut parent = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let process = Process::open(line.trim().parse().unwrap()).unwrap();
            // A shell would wait for its child.
            let name = format!("/proc/{}/comm", parent.id());
            while std::fs::read_to_string(&name).unwrap() != "sleep\n" {
                std::thread::yield_now();
            }
            parent.stdin.take().unwrap().write_all(b"\n").unwrap();
            assert_eq!(process.wait().await, expected, "{end}");
            parent.kill().unwrap();
            // Another test of this process may have waited for it.
            let _reaped = parent.wait();
        }
    }

    #[test]
    fn our_own_identity_is_found_and_a_forged_one_is_not() {
        let ours = Process::open(std::process::id().cast_signed()).unwrap().identity();
        assert!(Process::reopen(ours).is_some());
        assert!(Process::reopen(ProcessIdentity { start_time: ours.start_time + 1, ..ours }).is_none());
        assert!(Process::open(0).is_err() && Process::open(-7).is_err());
    }
}
