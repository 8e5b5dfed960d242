//! Mounting an image without a mount point: fsopen(2), fsmount(2). What is mounted so is in no namespace until
//! move_mount(2) puts it somewhere, and is gone with its last descriptor.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::loopback::LoopDevice;

/// What the container may not do on its minidump directory: the seed's fixed flags 14.
pub const HARDENED: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// `MOUNT_ATTR_NOSYMFOLLOW`, since Linux 5.14.
const NOSYMFOLLOW: MountAttrFlags = MountAttrFlags::from_bits_retain(0x0020_0000);

/// The options of a writable mount. An error never panics the host, whatever the superblock says, and a dump is on the
/// disk a second after it was written: without delayed allocation its data goes out with the next commit.
pub const WRITABLE_OPTIONS: [(&str, Option<&str>); 3] =
    [("errors", Some("remount-ro")), ("commit", Some("1")), ("nodelalloc", None)];

/// How an image is to be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// For a container that writes its dumps.
    Container,
    /// To read an image that nobody has mounted.
    Harvest,
    /// To read an image that is still mounted elsewhere: through the same device, so through the same superblock.
    HarvestPinned,
}

/// A mounted file system that is in no mount namespace.
#[derive(Debug)]
pub struct Detached {
    fd: OwnedFd,
}

impl Detached {
    /// Mounts the image attached to `device`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] on kernels before 5.2; else the kernel's, with what ext4 said.
    pub fn mount(device: &LoopDevice, access: Access) -> Result<Self> {
        match try_mount(device, access, attributes(access)) {
            // NOSYMFOLLOW is unknown before 5.14. The harvest never follows links anyway.
            Err(Errno::INVAL) if access != Access::Container => {
                try_mount(device, access, attributes(access) - NOSYMFOLLOW)
            }
            other => other,
        }
        .map(|fd| Self { fd })
        .tried(|| format!("cannot mount {}", device.path().display()))
    }

    /// The root directory, opened for reading.
    ///
    /// # Errors
    /// The kernel's.
    pub fn root(&self) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, ".", flags, Mode::empty());
        Ok(fd.tried(|| "cannot open the root of the image")?.into())
    }

    /// The descriptor that move_mount(2) and mount_setattr(2) take.
    #[must_use]
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

fn attributes(access: Access) -> MountAttrFlags {
    match access {
        Access::Container => HARDENED | MountAttrFlags::MOUNT_ATTR_NOATIME,
        Access::Harvest | Access::HarvestPinned => HARDENED | MountAttrFlags::MOUNT_ATTR_RDONLY | NOSYMFOLLOW,
    }
}

fn try_mount(device: &LoopDevice, access: Access, attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "source", device.path())?;
    match access {
        // A superblock that is mounted already keeps its options.
        Access::HarvestPinned => {}
        Access::Harvest => {
            rustix::mount::fsconfig_set_flag(context.as_fd(), "ro")?;
            rustix::mount::fsconfig_set_string(context.as_fd(), "errors", "continue")?;
        }
        Access::Container => {
            for (key, value) in WRITABLE_OPTIONS {
                match value {
                    Some(value) => rustix::mount::fsconfig_set_string(context.as_fd(), key, value)?,
                    None => rustix::mount::fsconfig_set_flag(context.as_fd(), key)?,
                }
            }
        }
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Whether an error says that this kernel has no detached mounts (before 5.2).
#[must_use]
pub fn is_too_old(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}
