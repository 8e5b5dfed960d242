//! Mounting an image without a mount point: fsopen(2), fsmount(2). What is mounted so is in no namespace until
//! move_mount(2) puts it somewhere, and is gone with its last descriptor.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use crate::error::{Error, ErrorKind, Result, Tried, Unreadable};
use crate::image::loopback::LoopDevice;
use crate::image::mount::options::Access;

/// What the container may not do on its minidump directory: the seed's fixed flags 14.
pub const HARDENED: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// `MOUNT_ATTR_NOSYMFOLLOW`, since Linux 5.14.
const NOSYMFOLLOW: MountAttrFlags = MountAttrFlags::from_bits_retain(0x0020_0000);

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
    pub fn mount(device: &LoopDevice, access: Access<'_>) -> Result<Self> {
        let attributes = attributes(access);
        let mounted = match try_mount(device, access, attributes) {
            // NOSYMFOLLOW is unknown before 5.14. The harvest never follows links anyway.
            Err((Errno::INVAL, _)) if attributes.contains(NOSYMFOLLOW) => {
                try_mount(device, access, attributes - NOSYMFOLLOW)
            }
            other => other,
        };
        match mounted {
            Ok(fd) => Ok(Self { fd }),
            Err((errno, words)) => {
                let words = if words.is_empty() { words } else { format!(" ({words})") };
                let what = || format!("cannot mount {}{words}", device.path().display());
                match access {
                    Access::Container(_) => Err(errno).tried(what),
                    Access::Harvest | Access::HarvestPinned(_) => Err(errno).unreadable(what),
                }
            }
        }
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

fn attributes(access: Access<'_>) -> MountAttrFlags {
    match access {
        Access::Container(_) => HARDENED | MountAttrFlags::MOUNT_ATTR_NOATIME,
        Access::Harvest | Access::HarvestPinned(_) => {
            HARDENED | MountAttrFlags::MOUNT_ATTR_RDONLY | NOSYMFOLLOW
        }
    }
}

/// Mounts; a failure comes with what the file system said.
fn try_mount(
    device: &LoopDevice,
    access: Access<'_>,
    attributes: MountAttrFlags,
) -> std::result::Result<OwnedFd, (Errno, String)> {
    let silent = |errno| (errno, String::new());
    let context = rustix::mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC).map_err(silent)?;
    configure(&context, device, access).map_err(|errno| (errno, output_tail(&context)))?;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(silent)
}

fn configure(context: &OwnedFd, device: &LoopDevice, access: Access<'_>) -> rustix::io::Result<()> {
    rustix::mount::fsconfig_set_string(context.as_fd(), "source", device.path())?;
    let label = match access {
        // A superblock that is mounted already keeps its options, and SELinux wants to hear its label again.
        Access::HarvestPinned(label) => label,
        Access::Harvest => {
            rustix::mount::fsconfig_set_flag(context.as_fd(), "ro")?;
            rustix::mount::fsconfig_set_string(context.as_fd(), "errors", "continue")?;
            None
        }
        Access::Container(writable) => {
            for (key, value) in writable.options {
                match value {
                    Some(value) => rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?,
                    None => rustix::mount::fsconfig_set_flag(context.as_fd(), *key)?,
                }
            }
            if writable.sync {
                rustix::mount::fsconfig_set_flag(context.as_fd(), "sync")?;
            }
            writable.label.as_ref()
        }
    };
    if let Some(label) = label {
        rustix::mount::fsconfig_set_string(context.as_fd(), "context", label.value())?;
    }
    rustix::mount::fsconfig_create(context.as_fd())
}

/// What the file system says about a failed configuration: the first message in the context's log (fsopen(2)).
fn output_tail(context: &OwnedFd) -> String {
    let mut message = [0; 256];
    let length = rustix::io::read(context, &mut message).unwrap_or(0);
    let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default()).into_owned();
    text.trim_start_matches("e ").trim().to_owned()
}

/// Whether an error says that this kernel has no detached mounts (before 5.2).
#[must_use]
pub fn is_too_old(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}
