//! The file system on which images in memory lie: a tmpfs of our own, whose size the kernel limits.
//!
//! The first start that needs it mounts it, once for the host, and it stays. It is mounted in the host's mount namespace
//! only: in another one, a poststop or sweep that comes from the host could not see the images. Blocks are reserved when an
//! image is made, so that the hook pays for them: a page of a tmpfs is charged to the control group that first touches it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::mount::{MountFlags, mount};

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::image::identity::Identity;
use crate::proc::mountinfo;
use crate::settings::admin::Admin;

/// `TMPFS_MAGIC`, linux/magic.h.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
/// How long another hook is waited for that is mounting it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(2);

/// Makes sure that images can be made in memory.
///
/// # Errors
/// [`ErrorKind::Unsupported`] in another mount namespace than the host's, unless it has the mount;
/// [`ErrorKind::Config`] when something else is mounted there; else the kernel's.
pub fn make_ready(admin: &Admin) -> Result<()> {
    let dir = admin.memory_dir();
    host::make_dir(&dir, 0o700)?;
    if check(&dir)? {
        return Ok(());
    }
    // The directory below the mount: the lock of all that mount there.
    let below = host::open_dir(&dir)?;
    let deadline = Deadline::after(LOCK_TIMEOUT);
    while !host::try_lock(&below).tried(|| format!("cannot lock {}", dir.display()))? {
        deadline.check("waiting for another mount of the images in memory")?;
        std::thread::sleep(LOCK_INTERVAL);
    }
    if is_ready(&dir)? {
        return Ok(());
    }
    let options = format!("size={},mode=0700\0", admin.memory_size);
    let options = std::ffi::CStr::from_bytes_until_nul(options.as_bytes()).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    mount("oci-minidump", &dir, "tmpfs", flags, options)
        .tried(|| format!("cannot mount a tmpfs on {}", dir.display()))
}

/// Whether the file system is mounted on `dir`; otherwise, it can be.
///
/// # Errors
/// As [`make_ready`], which mounts it then.
pub fn check(dir: &Path) -> Result<bool> {
    if std::fs::symlink_metadata(dir).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(Error::new(ErrorKind::Config, format!("{} is not a directory", dir.display()))
            .advise("remove it, and images can lie in memory"));
    }
    if is_ready(dir)? {
        return Ok(true);
    }
    host::check_trusted(host::nearest(dir))?;
    if !mountinfo::is_of_first_process()? {
        let what = format!("{} is not mounted, and this is not the host's mount namespace", dir.display());
        return Err(Error::new(ErrorKind::Unsupported, what)
            .advise("run 'oci-minidump-hook sweep' on the host once, which mounts it"));
    }
    Ok(false)
}

/// Whether the file system is mounted.
///
/// # Errors
/// [`ErrorKind::Config`] when another one is; else the kernel's.
pub fn is_ready(dir: &Path) -> Result<bool> {
    let Some(device) = device(dir)? else { return Ok(false) };
    let parent = dir.parent().unwrap_or(Path::new("/"));
    if self::device(parent)? == Some(device) {
        return Ok(false);
    }
    let stat =
        rustix::fs::statfs(dir).tried(|| format!("cannot inspect the file system of {}", dir.display()))?;
    if stat.f_type == TMPFS_MAGIC {
        return Ok(true);
    }
    let what = format!("what is mounted on {} is not a tmpfs", dir.display());
    Err(Error::new(ErrorKind::Config, what).advise("unmount it"))
}

/// What can be known of an image in memory that is not at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It was removed: its file system is there.
    Removed,
    /// Its file system cannot be seen: this is another mount namespace, or something else is mounted over it.
    Hidden,
    /// It went with its file system, which is mounted nowhere.
    Unmounted,
}

/// What became of an image that was made at `place`, in memory, and is not there.
///
/// # Errors
/// The kernel's.
pub fn missing(place: &Path, identity: &Identity) -> Result<Missing> {
    if device(host::nearest(place))? == Some(identity.device) {
        return Ok(Missing::Removed);
    }
    let is_gone = mountinfo::is_of_first_process()? && mountinfo::of_device(identity.device)?.is_empty();
    Ok(if is_gone { Missing::Unmounted } else { Missing::Hidden })
}

/// The device of the file system of `path`; `None` when nothing lies there.
fn device(path: &Path) -> Result<Option<u64>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.dev())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).tried(|| format!("cannot inspect {}", path.display())),
    }
}
