//! Bringing a mounted image into a container: from inside its mount namespace, onto a path in which every symbolic
//! link is kept below the root file system.
//!
//! A helper thread does it. A thread that has its own root and working directory (`CLONE_FS`) may enter a mount
//! namespace alone, so the rest of the process never leaves the host's, and no fork is needed.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MoveMountFlags, UnmountFlags, move_mount, unmount};
use sys_mount::{Mount, MountFlags};

use crate::error::{Error, Result, Tried};
use crate::hook::container::Container;
use crate::hook::propagation::{descriptor, isolate};
use crate::image::create::root_inode::MODE as ROOT_MODE;
use crate::image::loopback::LoopDevice;
use crate::image::mount::detached::Detached;
use crate::image::mount::options::Writable;
use crate::image::mount::target::{mount_point, resolve};
use crate::process::apart;

/// A file system that is ready to be put into a container.
#[derive(Debug)]
pub enum Source {
    /// Mounted, in no namespace.
    Detached(Detached),
    /// Before Linux 5.2 no mount can be moved between namespaces: the device is mounted once more in the container.
    Device {
        /// The options of both mounts.
        writable: Writable,
        /// The root directory of the first mount, which keeps the file system and its options alive.
        kept: File,
    },
}

/// What goes where.
#[derive(Debug)]
pub struct Item<'a> {
    /// The file system.
    pub source: &'a Source,
    /// The device that it is on.
    pub device: &'a LoopDevice,
    /// The path as the container sees it.
    pub target: &'a Path,
}

/// Puts every item into the container; gives for each what went wrong, if anything. With `all`, the first failure
/// takes the others out again and is the result.
///
/// # Errors
/// [`Attack`](crate::error::ErrorKind::Attack) when a path leads where nothing may be mounted; else the kernel's.
pub fn attach(container: &Container, items: &[Item<'_>], all: bool) -> Result<Vec<Option<Error>>> {
    apart(|| {
        let root = enter(container)?;
        let mut failures = Vec::new();
        for (n, item) in items.iter().enumerate() {
            match attach_one(&root, item, container.mount_namespace.is_some()) {
                Err(error) if all => {
                    undo(&root, items.get(..n).unwrap_or_default());
                    return Err(error);
                }
                result => failures.push(result.err()),
            }
        }
        Ok(failures)
    })
}

/// Enters the container's mount namespace with this thread, and opens its root file system there. The thread's working
/// directory is the host's `/proc` then: a container that has entered its root file system (LXC) has another one, or none.
fn enter(container: &Container) -> Result<OwnedFd> {
    unshare(CloneFlags::CLONE_FS)
        .tried(|| "cannot give the mounting thread a root and current directory of its own")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::openat(CWD, "/proc", flags, Mode::empty()).tried(|| "cannot open /proc")?;
    if let Some(namespace) = &container.mount_namespace {
        setns(namespace, CloneFlags::CLONE_NEWNS).tried(|| "cannot enter the container's mount namespace")?;
    }
    rustix::process::fchdir(proc).tried(|| "cannot enter /proc")?;
    // Opened only now: by this path the namespace may have another mount on top than the host.
    rustix::fs::openat(CWD, &container.rootfs, flags, Mode::empty())
        .tried(|| format!("cannot open the root file system {}", container.rootfs.display()))
}

fn attach_one(root: &OwnedFd, item: &Item<'_>, has_namespace: bool) -> Result<()> {
    let target = mount_point(root, item.target)?;
    // The propagation of the host's own mounts is not ours to change; what is mounted there is unmounted at poststop.
    if has_namespace {
        isolate(&target)?;
    }
    match item.source {
        Source::Detached(detached) => {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
            move_mount(detached.fd(), "", &target, "", flags)
                .tried(|| format!("cannot mount on {} in the container", item.target.display()))
        }
        Source::Device { writable, .. } => mount_device(item, writable, &target),
    }
}

/// Mounts the device of an item on `target` with mount(2).
fn mount_device(item: &Item<'_>, writable: &Writable, target: &OwnedFd) -> Result<()> {
    let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    flags.set(MountFlags::SYNCHRONOUS, writable.sync);
    let onto = descriptor(target);
    Mount::builder()
        .fstype("ext4")
        .flags(flags)
        .data(&writable.data())
        .mount(item.device.path(), onto)
        .map(drop)
        .tried(|| {
            format!(
                "cannot mount {} on {} in the container",
                item.device.path().display(),
                item.target.display()
            )
        })
}

/// Lets the container's process, and whatever user it becomes, write into the root directory of an image. Every new image
/// is made so; only one that holds other ids than the container's has to be changed.
pub(super) fn own(root: &File, (uid, gid): (u32, u32)) -> Result<()> {
    let metadata = root.metadata().tried(|| "cannot inspect the root of the image")?;
    if (metadata.uid(), metadata.gid()) != (uid, gid) {
        std::os::unix::fs::fchown(root, Some(uid), Some(gid))
            .tried(|| "cannot give the image to the container's user")?;
    }
    if metadata.mode() & 0o7777 != u32::from(ROOT_MODE) {
        let mode = std::fs::Permissions::from_mode(ROOT_MODE.into());
        root.set_permissions(mode).tried(|| "cannot make the image writable")?;
    }
    Ok(())
}

/// Takes out again what was put in. The container is about to be given up, so what fails here goes with it.
fn undo(root: &OwnedFd, items: &[Item<'_>]) {
    for item in items.iter().rev() {
        let Ok(mounted) = resolve(root, item.target) else { continue };
        let path = descriptor(&mounted);
        if let Err(error) = unmount(path, UnmountFlags::DETACH) {
            log::warn!("cannot unmount {} in the container: {error}", item.target.display());
        }
    }
}
