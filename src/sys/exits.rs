//! How a process ended, asked of its pidfd.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// `struct pidfd_info`, linux/pidfd.h, as of Linux 6.15.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`: asks for `exit_code`, and says that it is there.
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// The requests of pidfs, as unsafe functions.
mod request {
    #![allow(missing_docs)]
    use super::PidfdInfo;

    nix::ioctl_readwrite!(pidfd_get_info, 0xFF, 11, PidfdInfo);
}

/// What the kernel can say of the end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelExit {
    /// Its wait status, wait(2).
    Status(i32),
    /// Its parent has not waited for it yet; the kernel knows after that.
    NotYet,
    /// The kernel is older than 6.15, or the pidfd was opened too late.
    Never,
}

/// How the process behind a pidfd ended (`PIDFD_GET_INFO`, since Linux 6.13; with the exit since 6.15). Any process may
/// ask, if the pidfd was there before the process was waited for.
#[must_use]
pub fn pidfd_exit(pidfd: BorrowedFd<'_>) -> KernelExit {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: `info` is a valid, writable `struct pidfd_info` of the size that the request's number says, and outlives
    // the call.
    match unsafe { request::pidfd_get_info(pidfd.as_raw_fd(), &raw mut info) } {
        Ok(_) if info.mask & PIDFD_INFO_EXIT != 0 => KernelExit::Status(info.exit_code),
        Ok(_) => KernelExit::NotYet,
        Err(_) => KernelExit::Never,
    }
}

/// A child that has ended and is not waited for yet; it stays so (waitid(2)). `None` when all children run.
///
/// # Errors
/// `ECHILD` when there are none.
pub fn ended_child() -> io::Result<Option<i32>> {
    let mut info = std::mem::MaybeUninit::<nix::libc::siginfo_t>::zeroed();
    let options = nix::libc::WEXITED | nix::libc::WNOHANG | nix::libc::WNOWAIT;
    // SAFETY: `info` is writable and outlives the call.
    if unsafe { nix::libc::waitid(nix::libc::P_ALL, 0, info.as_mut_ptr(), options) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeroes are a valid siginfo_t, and the kernel has written a valid one or none.
    let pid = unsafe { info.assume_init().si_pid() };
    Ok(Some(pid).filter(|pid| *pid > 0))
}

/// Prepares `command` so that the child starts with no signal blocked.
pub fn unblock_signals(command: &mut std::process::Command) -> &mut std::process::Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(|| nix::sys::signal::SigSet::empty().thread_set_mask().map_err(io::Error::from))
    }
}

/// Takes over the descriptor `number`, which this process inherited.
///
/// # Errors
/// It is not open.
pub fn inherited(number: std::os::fd::RawFd) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: fcntl touches no memory.
    if unsafe { nix::libc::fcntl(number, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC) } < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: the descriptor is open, and the caller says that it was inherited: nothing else here owns it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn the_kernel_keeps_the_exit_for_a_pidfd_that_was_there() {
        let mut child = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let fd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => fd,
            // Before Linux 5.3 there is nothing that could be asked.
            Err(error) => {
                assert_eq!(error, Errno::NOSYS);
                child.wait().unwrap();
                return;
            }
        };
        // Another test of this process may have waited for it.
        let _reaped = child.wait();
        assert!([KernelExit::Status(7 << 8), KernelExit::Never].contains(&pidfd_exit(fd.as_fd())));
    }
}
