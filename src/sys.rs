//! Every raw system call of the crate, each wrapped once; `unsafe` is denied everywhere else.
//!
//! Only what neither `nix` nor `rustix` offers safely stands here.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;

pub mod detach;
#[cfg(feature = "daemon")]
pub mod exits;
pub mod loop_device;
#[cfg(feature = "daemon")]
pub(crate) mod real_time;
pub mod write_out;

/// Whether a lease is held and no open for writing waits for its end (`F_GETLEASE`, fcntl(2)).
pub fn is_lease_undisturbed(file: impl AsFd) -> bool {
    // SAFETY: the operation takes no argument; the descriptor is borrowed for the call.
    let held = unsafe { nix::libc::fcntl(file.as_fd().as_raw_fd(), nix::libc::F_GETLEASE) };
    held == nix::libc::F_RDLCK
}

/// `struct mount_attr`, linux/mount.h.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// Maps the owners of everything on a detached mount through a user namespace (`mount_setattr`, since Linux 5.12).
///
/// # Errors
/// `ENOSYS` on older kernels, `EINVAL` for file systems that cannot be idmapped.
pub fn mount_idmap(mount: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
    let userns_fd = u64::try_from(user_namespace.as_raw_fd()).map_err(|_| Errno::BADF)?;
    set_mount(mount, 0, &MountAttr { attr_set: MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd })
}

fn set_mount(mount: BorrowedFd<'_>, flags: i32, attr: &MountAttr) -> io::Result<()> {
    // SAFETY: the path is a valid empty C string, `attr` is a valid `struct mount_attr` of the given size; the
    // kernel only reads both.
    let result = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            nix::libc::AT_EMPTY_PATH | flags,
            &raw const *attr,
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a detached mount, and with `recursive` all below it, these attributes (`MOUNT_ATTR_*`), replaces how access times
/// are kept, and has it pass nothing on to other mounts (`mount_setattr`, since Linux 5.12).
///
/// # Errors
/// `ENOSYS` on older kernels; else the kernel's.
#[cfg(feature = "daemon")]
pub fn mount_attributes(mount: BorrowedFd<'_>, attr_set: u64, recursive: bool) -> io::Result<()> {
    const MOUNT_ATTR_ATIME: u64 = 0x70;
    // The C library's constant has another type on 32-bit machines.
    const MS_PRIVATE: u64 = 1 << 18;
    let attr = MountAttr { attr_set, attr_clr: MOUNT_ATTR_ATIME, propagation: MS_PRIVATE, userns_fd: 0 };
    set_mount(mount, if recursive { nix::libc::AT_RECURSIVE } else { 0 }, &attr)
}

/// Takes a lease on a file that is open for reading only (`F_SETLEASE`, fcntl(2)): while it is open, an open for writing
/// and truncate(2) wait, `fs.lease-break-time` seconds at most. The signal that says so is one that is ignored.
///
/// # Errors
/// `EAGAIN` when the file is open for writing or mapped so; `EINVAL` where leases are unknown.
pub fn lease_from_writers(file: impl AsFd) -> io::Result<()> {
    // The C library of musl does not name it.
    const F_SETSIG: i32 = 10;
    let fd = file.as_fd().as_raw_fd();
    for (operation, value) in [(F_SETSIG, nix::libc::SIGURG), (nix::libc::F_SETLEASE, nix::libc::F_RDLCK)] {
        // SAFETY: both operations take a number; the descriptor is borrowed for the call.
        if unsafe { nix::libc::fcntl(fd, operation, value) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Closes every descriptor from `first` on: whatever the runtime leaked into this process.
///
/// Must run before anything else in the process opens a descriptor it wants to keep.
///
/// # Errors
/// `ENOSYS` on kernels before 5.9.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called before any descriptor above 2 has an owner in this process, so none is closed behind
    // somebody's back.
    let result = unsafe { nix::libc::syscall(nix::libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps a long-lived process small: one heap for all threads, and free memory goes back to the kernel at once
/// (mallopt(3)). Other C libraries than glibc do so by themselves.
#[cfg(feature = "daemon")]
pub fn keep_heap_small() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (nix::libc::M_ARENA_MAX, 1),
        (nix::libc::M_TRIM_THRESHOLD, 64 * 1024),
        (nix::libc::M_MMAP_THRESHOLD, 64 * 1024),
    ] {
        // SAFETY: takes two numbers and touches nothing but malloc's own settings.
        let _as_before = unsafe { nix::libc::mallopt(parameter, value) };
    }
}

/// Prepares `command` so that the child dies with the thread that started it, starts with no signal blocked, and
/// inherits `keep` (if any) as descriptor 3 and nothing else above 2.
pub fn tie_child(command: &mut Command, keep: Option<RawFd>) -> &mut Command {
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec the closure makes only system calls that are async-signal-safe and allocates
    // nothing.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            if rustix::process::getppid() != Some(parent) {
                return Err(Errno::SRCH.into());
            }
            nix::sys::signal::SigSet::empty().thread_set_mask()?;
            match keep {
                // dup3 onto itself fails, and a descriptor that is already 3 only needs to lose its CLOEXEC.
                Some(3) => drop(nix::libc::fcntl(3, nix::libc::F_SETFD, 0)),
                Some(fd) if nix::libc::dup2(fd, 3) < 0 => return Err(io::Error::last_os_error()),
                _ => {}
            }
            Ok(())
        })
    }
}

/// Gives a process real-time scheduling in turns (`SCHED_RR`, sched(7)) with this priority, 1..99.
///
/// # Errors
/// The kernel's: `EPERM` also in a cgroup of version 1 that has no real time to give.
#[cfg(feature = "daemon")]
pub fn set_round_robin(pid: i32, priority: u8) -> io::Result<()> {
    // `struct sched_param` of the kernel; musl has no working function for it.
    let parameters = i32::from(priority);
    let policy = nix::libc::SCHED_RR;
    // SAFETY: `parameters` is a valid `struct sched_param` that outlives the call; the kernel only reads it.
    let result =
        unsafe { nix::libc::syscall(nix::libc::SYS_sched_setscheduler, pid, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Prepares `command` so that the child inherits `fds` as descriptors 3, 4, and so on.
///
/// # Errors
/// The kernel's.
#[cfg(feature = "daemon")]
pub fn pass_on(command: &mut Command, fds: &[std::os::fd::OwnedFd]) -> io::Result<()> {
    let end = 3 + RawFd::try_from(fds.len()).map_err(io::Error::other)?;
    // Copies above the numbers that are given out: no dup2 below closes one that is still to be copied.
    let copies: io::Result<Vec<_>> =
        fds.iter().map(|fd| Ok(rustix::io::fcntl_dupfd_cloexec(fd, end)?)).collect();
    let copies = copies?;
    // SAFETY: between fork and exec the closure makes only system calls that are async-signal-safe and allocates
    // nothing.
    unsafe {
        command.pre_exec(move || {
            for (number, fd) in (3..).zip(&copies) {
                if nix::libc::dup2(fd.as_raw_fd(), number) < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    Ok(())
}

/// Has a program start in the network of `namespace` (network_namespaces(7)).
#[cfg(feature = "daemon")]
pub fn enter_network(command: &mut Command, namespace: std::os::fd::OwnedFd) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            nix::sched::setns(namespace.as_fd(), nix::sched::CloneFlags::CLONE_NEWNET)
                .map_err(io::Error::from)
        })
    }
}

/// Registers a descriptor with the runtime that runs this task, to be told when it can be read.
///
/// # Errors
/// The kernel's: not every descriptor can be waited for.
#[cfg(feature = "daemon")]
pub fn wait_readable(fd: std::os::fd::OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    wait_for(fd, tokio::io::Interest::READABLE)
}

/// The same for what `interest` names.
///
/// # Errors
/// As [`wait_readable`].
#[cfg(feature = "daemon")]
pub fn wait_for(
    fd: std::os::fd::OwnedFd,
    interest: tokio::io::Interest,
) -> io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
    // SAFETY: an OwnedFd is open, always gives the same number, and closes only when it is dropped, which the
    // AsyncFd does after it has deregistered it.
    Ok(unsafe { tokio::io::unix::AsyncFd::register_with_interest(fd, interest) }?)
}
