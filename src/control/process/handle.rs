//! A process that is never mistaken for another one with the same number.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::control::model::state::ExitStatus;
use crate::control::process::reaper;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc;
use crate::proc::stat::Stat;

/// How often a process is looked at that is neither our child nor known to a kernel with pidfds (before 5.3).
const POLL: Duration = Duration::from_millis(250);

/// How long the exit status of a process that ended may take to reach us.
const TOLD: Duration = Duration::from_secs(1);

/// What tells a process from a later one with the same number, written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// The process id.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot: proc(5), field 22 of `stat`.
    pub(crate) start_time: u64,
}

/// A process we hold on to.
#[derive(Debug)]
pub(crate) struct Process {
    identity: ProcessIdentity,
    pid: Pid,
    /// `None` on kernels before 5.3.
    pidfd: Option<OwnedFd>,
    /// For our own children: who reaped it tells how it ended.
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
        let number = pid;
        let none = || Error::new(ErrorKind::NotFound, format!("there is no process {number}"));
        // Pid itself panics below zero.
        let pid = Pid::from_raw(pid.max(0)).ok_or_else(none)?;
        let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Some(pidfd),
            Err(Errno::NOSYS | Errno::SRCH) => None,
            Err(error) => return Err(error).tried(|| format!("cannot hold process {number}")),
        };
        let start_time = start_time(number);
        let status = reaper::watch(pid, expected && start_time.is_some());
        if start_time.is_none() && status.is_none() {
            return Err(none());
        }
        let identity = ProcessIdentity { pid: number, start_time: start_time.unwrap_or(0) };
        Ok(Self { identity, pid, pidfd, status: Mutex::new(status) })
    }

    /// Holds on to the process that was written down, if it still runs.
    pub(crate) fn reopen(identity: ProcessIdentity) -> Option<Self> {
        let process = Self::open(identity.pid).ok()?;
        (process.identity == identity && process.runs()).then_some(process)
    }

    /// A runtime that was told `--bundle BUNDLE` and is still at it.
    ///
    /// It must be of our user and in our pid namespace: inside a container anybody can call himself anything.
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

    /// Whether it has not ended; a zombie has.
    pub(crate) fn runs(&self) -> bool {
        stat(self.identity.pid)
            .is_some_and(|stat| stat.state != b'Z' && stat.start_time == self.identity.start_time)
    }

    /// Sends it a signal; false when it has ended.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool> {
        let sent = match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, signal),
            None if self.runs() => rustix::process::kill_process(self.pid, signal),
            None => Err(Errno::SRCH),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => {
                Err(error).tried(|| format!("cannot send signal {signal:?} to process {}", self.identity.pid))
            }
        }
    }

    /// Waits until it has ended. For one call: a second one knows the end but not the status.
    pub(crate) async fn wait(&self) -> ExitStatus {
        let status = self.status.lock().ok().and_then(|mut status| status.take());
        match status {
            None => self.vanished().await,
            // Before pidfds there is nothing to wait for but the reaper.
            Some(status) if self.pidfd.is_none() => return status.await.unwrap_or(ExitStatus::Unknown),
            Some(mut status) => tokio::select! {
                status = &mut status => return status.unwrap_or(ExitStatus::Unknown),
                () = self.vanished() => {
                    // Whoever reaps it is about to tell us, unless it never became our child.
                    let told = tokio::time::timeout(TOLD, status).await;
                    return told.ok().and_then(std::result::Result::ok).unwrap_or(ExitStatus::Unknown);
                }
            },
        }
        ExitStatus::Unknown
    }

    /// Waits until it has ended, whoever's child it is.
    async fn vanished(&self) {
        let pidfd = self.pidfd.as_ref().and_then(|fd| {
            let fd = fd.try_clone().ok()?;
            crate::sys::wait_readable(fd).ok()
        });
        match pidfd {
            // An error means that the I/O driver is gone, and with it everything else.
            Some(pidfd) => drop(pidfd.readable().await),
            None => {
                while self.runs() {
                    tokio::time::sleep(POLL).await;
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

/// When a process started, in clock ticks since boot.
fn start_time(pid: i32) -> Option<u64> {
    stat(pid).map(|stat| stat.start_time)
}

/// The parent of a process.
pub(crate) fn parent(pid: i32) -> Option<i32> {
    stat(pid).map(|stat| stat.parent)
}

/// A process that cannot be looked at is none of ours.
fn stat(pid: i32) -> Option<Stat> {
    proc::stat::stat(pid).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_identity_is_found_and_a_forged_one_is_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let ours = ProcessIdentity { pid, start_time: start_time(pid).unwrap() };
        assert!(Process::reopen(ours).is_some());
        assert!(Process::reopen(ProcessIdentity { start_time: ours.start_time + 1, ..ours }).is_none());
        assert!(Process::open(0).is_err() && Process::open(-7).is_err());
    }
}
