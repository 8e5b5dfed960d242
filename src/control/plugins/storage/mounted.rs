//! Mounting images for a container, and taking the mounts away.

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use nix::mount::MsFlags;

use crate::control::plugins::plugin::unmount;
use crate::control::plugins::storage::image;
use crate::dobby::runtime::LoopMount;
use crate::error::{Result, Tried};
use crate::host;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;

/// `MS_NOSUID` and `MS_NODEV` (mount(2)): the container writes to the image, so nothing in it gives power.
pub(crate) const HARMLESS: u32 = 2 | 4;

/// Mounts a locked image on the directory `place`, and gives it to the container's user.
///
/// An image that another container uses is mounted from the same loop device: two devices on one image would ruin it.
///
/// # Errors
/// The kernel's. What was mounted is for [`unmount_all`].
pub(crate) fn mount(image: &LockedImage, wanted: &LoopMount, place: &Path, owner: (u32, u32)) -> Result<()> {
    // A long is as wide as the machine's words.
    let flags = MsFlags::from_bits_truncate(nix::libc::c_ulong::from(wanted.flags | HARMLESS));
    let read_only = flags.contains(MsFlags::MS_RDONLY);
    make_place(place)?;
    let device = match LoopDevice::of(image.file())? {
        Some(device) => device,
        None => LoopDevice::attach(image.file(), image.path(), read_only)?,
    };
    let (kind, data) = (wanted.fstype.to_lowercase(), data(wanted));
    nix::mount::mount(Some(device.path()), place, Some(kind.as_str()), flags, Some(data.as_str()))
        .map_err(std::io::Error::from)
        .tried(|| format!("cannot mount the image {}", image.path().display()))?;
    if read_only { Ok(()) } else { own(&host::open_dir(place)?, owner) }
}

/// The options of the file system. What is wrong in an image must not end the host, whatever the image says.
fn data(wanted: &LoopMount) -> String {
    let mut options = wanted.options.clone();
    if image::is_ext(wanted) && !options.iter().any(|option| option.starts_with("errors=")) {
        options.push("errors=remount-ro".to_owned());
    }
    options.join(",")
}

/// Every user may pass through: the root of a user namespace has no privileges here.
fn make_place(place: &Path) -> Result<()> {
    for dir in [place.parent().unwrap_or(place), place] {
        match DirBuilder::new().mode(0o711).create(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.tried(|| format!("cannot make {}", dir.display()))?,
        }
    }
    Ok(())
}

/// Gives the root of an image to the container's user, as Dobby does: to everybody, when that is root.
fn own(root: &File, (uid, gid): (u32, u32)) -> Result<()> {
    let what = || "cannot give the image to the container's user";
    let metadata = root.metadata().tried(what)?;
    if uid == 0 || gid == 0 {
        return root.set_permissions(Permissions::from_mode(0o777)).tried(what);
    }
    if (metadata.uid(), metadata.gid()) == (uid, gid) {
        return Ok(());
    }
    std::os::unix::fs::fchown(root, Some(uid), Some(gid)).tried(what)
}

/// Unmounts whatever is mounted on the directories in `dir`; the first error, if there is one.
pub(crate) fn unmount_all(dir: &Path) -> Result<()> {
    let mut result = Ok(());
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        result = result.and(unmount(&entry.path()));
    }
    result
}

/// Removes the directories, on which nothing is mounted any more.
pub(crate) fn remove_all(dir: &Path) -> Result<()> {
    let places = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for place in places.chain([dir.to_owned()]) {
        match std::fs::remove_dir(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.tried(|| format!("cannot remove {}", place.display()))?,
        }
    }
    Ok(())
}
