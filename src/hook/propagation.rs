//! Keeping a mount in the container: where the mount point lies on a shared mount (`rootfsPropagation`, a shared volume), a
//! mount made in the container would appear on the host and in other containers, and stay there.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountPropagationFlags, mount_change};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::mountinfo;

/// How many directories lie above one at most: as many as the longest path has.
const MAX_DEPTH: usize = 2048;

/// Makes the mount on which the directory `target` lies one that passes nothing on, if it is shared. It still receives what
/// the host mounts. The calling thread must be in the container's mount namespace, and in the host's `/proc`.
///
/// # Errors
/// The kernel's, and [`ErrorKind::System`] when the mount cannot be reached.
pub fn isolate(target: &OwnedFd) -> Result<()> {
    let root = mount_root(target)?;
    // One that is not shared stays as it is. Whether it is would have to be read from mountinfo, which takes the kernel longer
    // the more is mounted.
    mount_change(descriptor(&root), MountPropagationFlags::DOWNSTREAM)
        .tried(|| "cannot keep mounts on the container's directory in the container")
}

/// The uppermost directory of the mount on which a directory lies.
fn mount_root(dir: &OwnedFd) -> Result<OwnedFd> {
    let what = || "cannot find the mount of the container's directory";
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut root = dir.try_clone().tried(what)?;
    let mut place = Place::of(&root)?;
    for _ in 0..MAX_DEPTH {
        let above = rustix::fs::openat(&root, "..", flags, Mode::empty()).tried(what)?;
        let next = Place::of(&above)?;
        // Above the root directory is the root directory.
        if next.mount != place.mount || next == place {
            return Ok(root);
        }
        (root, place) = (above, next);
    }
    Err(Error::new(ErrorKind::System, what()).advise("it moves all the time"))
}

/// A directory, and the number of the mount on which it lies, as mountinfo has it.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    mount: u64,
    inode: u64,
}

impl Place {
    fn of(dir: &OwnedFd) -> Result<Self> {
        let what = || "cannot inspect the container's directory";
        let mount = match mountinfo::id_of(dir).tried(what)? {
            Some(mount) => mount,
            None => mount_id(dir)?,
        };
        Ok(Self { mount, inode: rustix::fs::fstat(dir).tried(what)?.st_ino })
    }
}

/// The number of the mount on which a file lies, for kernels that do not give it with the rest (proc_pid_fdinfo(5)).
fn mount_id(file: &OwnedFd) -> Result<u64> {
    let path = format!("thread-self/fdinfo/{}", file.as_raw_fd());
    let text = std::fs::read_to_string(&path).tried(|| format!("cannot read /proc/{path}"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("/proc/{path} names no mount")))
}

/// The path by which the kernel finds an open file again, for a thread in the host's `/proc`.
pub(super) fn descriptor(file: impl AsFd) -> String {
    format!("thread-self/fd/{}", file.as_fd().as_raw_fd())
}
