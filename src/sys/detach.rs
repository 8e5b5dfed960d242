//! A program that goes on by itself when this process has ended.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags};

/// Starts `command` as a process that is not ours: in a session of its own, without any of our descriptors above 2, and with
/// no signal blocked. It stays in our cgroup.
///
/// # Errors
/// The kernel's.
pub fn spawn_detached(command: &mut Command) -> io::Result<()> {
    keep_from_children()?;
    // SAFETY: between fork and exec the closure makes only system calls that are async-signal-safe and allocates
    // nothing; the process that ends in it runs no destructors.
    unsafe {
        command.pre_exec(|| {
            match nix::libc::fork() {
                0 => {}
                -1 => return Err(io::Error::last_os_error()),
                _ => nix::libc::_exit(0),
            }
            rustix::process::setsid()?;
            Ok(nix::sys::signal::SigSet::empty().thread_set_mask()?)
        });
    }
    // Ours is the one in between, which has ended; the daemon's reaper may be faster.
    let _reaped = command.spawn()?.wait();
    Ok(())
}

/// Has the children of this process wait to be reaped, also if the process that started it ignores its own: a `SIGCHLD` that is ignored
/// stays so over execve(2), and the kernel then forgets how children ended.
pub fn keep_ended_children() {
    // SAFETY: the default action runs no code of this process.
    let _before = unsafe {
        nix::sys::signal::signal(nix::sys::signal::Signal::SIGCHLD, nix::sys::signal::SigHandler::SigDfl)
    };
}

/// Has every descriptor above 2 close when another program takes over: before Linux 5.9, those that the runtime leaked are
/// still open.
fn keep_from_children() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if fd > 2 {
            // SAFETY: the descriptor is borrowed for one call, which fails if it is not open.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match rustix::io::fcntl_setfd(borrowed, FdFlags::CLOEXEC) {
                Ok(()) | Err(Errno::BADF) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
