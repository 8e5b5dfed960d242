//! Keeping a mount in the container: where the mount point lies on a shared mount (`rootfsPropagation`, a shared volume), a
//! mount made in the container would appear on the host and in other containers, and stay there.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::mountinfo;

/// Makes the mount on which the directory `target` lies one that passes nothing on, if it is shared. It still receives what
/// the host mounts. The calling thread must be in the container's mount namespace, and in the host's `/proc`.
///
/// # Errors
/// The kernel's, and [`ErrorKind::System`] when the mount cannot be reached.
pub fn isolate(target: &OwnedFd) -> Result<()> {
    let id = mount_id(target)?;
    let Some(mount) =
        mountinfo::own_by_working_directory()?.into_iter().find(|mount| mount.id == id && mount.is_shared)
    else {
        return Ok(());
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let what = || format!("cannot keep mounts on {} in the container", mount.point.display());
    let root = rustix::fs::openat(CWD, &mount.point, flags, Mode::empty()).tried(what)?;
    if mount_id(&root)? != id {
        return Err(Error::new(ErrorKind::System, what()).advise("another mount hides it"));
    }
    mount_change(descriptor(&root), MountPropagationFlags::DOWNSTREAM).tried(what)
}

/// The number of the mount on which a file lies, as mountinfo has it (proc_pid_fdinfo(5)).
fn mount_id(file: impl AsFd) -> Result<u64> {
    let path = format!("thread-self/fdinfo/{}", file.as_fd().as_raw_fd());
    let text = std::fs::read_to_string(&path).tried(|| format!("cannot read /proc/{path}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("/proc/{path} names no mount")))
}

/// The path by which the kernel finds an open file again, for a thread in the host's `/proc`.
pub(super) fn descriptor(file: impl AsFd) -> String {
    format!("thread-self/fd/{}", file.as_fd().as_raw_fd())
}
