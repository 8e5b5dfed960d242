//! A process that is never mistaken for a later one with the same number: a pidfd (pidfd_open(2)), or before Linux 5.3 the
//! number together with the time of its start.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::proc::stat::{Stat, stat};

/// A process that is held on to. It may end meanwhile; its number may be another's then.
#[derive(Debug)]
pub struct PidFd {
    pid: Pid,
    /// `None` on kernels before 5.3.
    fd: Option<OwnedFd>,
    /// `None` when the process cannot be seen in `/proc`.
    start_time: Option<u64>,
}

impl PidFd {
    /// Holds on to the process that has the number `pid` now; a zombie counts.
    ///
    /// # Errors
    /// `ESRCH` when there is none, or the number cannot be one; else the kernel's.
    pub fn open(pid: i32) -> io::Result<Self> {
        // Pid itself panics below zero.
        let number = Pid::from_raw(pid.max(0)).ok_or(Errno::SRCH)?;
        let fd = match rustix::process::pidfd_open(number, PidfdFlags::empty()) {
            Ok(fd) => Some(fd),
            Err(Errno::NOSYS) => None,
            Err(error) => return Err(error.into()),
        };
        let start_time = stat(pid)?.map(|stat| stat.start_time);
        if fd.is_none() && start_time.is_none() {
            return Err(Errno::SRCH.into());
        }
        Ok(Self { pid: number, fd, start_time })
    }

    /// When the process started, in clock ticks since boot; `None` when it ended before that could be read.
    #[must_use]
    pub fn start_time(&self) -> Option<u64> {
        self.start_time
    }

    /// The descriptor, which becomes readable when the process ends; `None` on kernels before 5.3.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Whether the process has ended; a zombie has.
    ///
    /// # Errors
    /// The kernel's, and those of [`stat()`]: it is unknown then.
    pub fn has_ended(&self) -> io::Result<bool> {
        match &self.fd {
            Some(fd) => {
                let look = || poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&Timespec::default()));
                // A signal interrupts also a look that does not wait.
                Ok(rustix::io::retry_on_intr(look)? > 0)
            }
            None => {
                Ok(!stat(self.pid.as_raw_pid())?.is_some_and(|stat| self.is_same(&stat) && !stat.is_dead()))
            }
        }
    }

    /// Sends a signal to the process; false when it has ended.
    ///
    /// # Errors
    /// The kernel's.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let sent = match &self.fd {
            Some(fd) => rustix::process::pidfd_send_signal(fd, signal),
            None if self.has_ended()? => Err(Errno::SRCH),
            None => rustix::process::kill_process(self.pid, signal),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn is_same(&self, stat: &Stat) -> bool {
        self.start_time == Some(stat.start_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_held_until_it_ends_with_and_without_a_pidfd() {
        for old_kernel in [false, true] {
            let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
            let mut held = PidFd::open(child.id().cast_signed()).unwrap();
            if old_kernel {
                held.fd = None;
            }
            assert!(!held.has_ended().unwrap() && held.start_time().is_some());
            assert!(held.signal(Signal::KILL).unwrap());
            // Another test may reap it first.
            let _reaped = child.wait();
            assert!(held.has_ended().unwrap());
            assert!(!held.signal(Signal::KILL).unwrap());
        }
        for none in [0, -7, i32::MAX] {
            assert_eq!(PidFd::open(none).unwrap_err().raw_os_error(), Some(nix::libc::ESRCH), "{none}");
        }
    }
}
