//! Where an image goes that must leave the memory because it could not be harvested.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Result;
use crate::image::aside;
use crate::image::lock::LockedImage;
use crate::image::mark::Mark;
use crate::image::memory::copy::{is_there, to_disk};

/// Writes an image in memory to the disk, where it would have been made otherwise; when another file is there, beside that.
/// Gives where it is; `None` when it stays where it is: it is not in memory, or is attached.
///
/// # Errors
/// As [`to_disk`], and [`NoSpace`](crate::error::ErrorKind::NoSpace) when too many images of that name wait already.
pub fn save(image: &LockedImage, mark: &Mark) -> Result<Option<PathBuf>> {
    let Some(disk) = must_leave(image)? else { return Ok(None) };
    // What is there may be of anything: it is left alone.
    let is_ours = || Ok::<_, crate::error::Error>(is_there(disk, &image.identity()?).unwrap_or(false));
    let is_for_it = aside::is_reserved(disk) || std::fs::symlink_metadata(disk).is_err() || is_ours()?;
    let target = if is_for_it { disk.to_owned() } else { aside::free_waiting_path(image, disk)? };
    write(image, mark, target).map(Some)
}

/// The same, always beside that place: another image is about to be made there.
///
/// # Errors
/// As [`save`].
pub fn save_beside(image: &LockedImage, mark: &Mark) -> Result<Option<PathBuf>> {
    match must_leave(image)? {
        Some(disk) => write(image, mark, aside::free_waiting_path(image, disk)?).map(Some),
        None => Ok(None),
    }
}

fn must_leave(image: &LockedImage) -> Result<Option<&Path>> {
    let Some(disk) = image.disk_place() else { return Ok(None) };
    Ok(if image.attached(Duration::ZERO)?.is_none() { Some(disk) } else { None })
}

fn write(image: &LockedImage, mark: &Mark, target: PathBuf) -> Result<PathBuf> {
    to_disk(image, Some(mark), &target)?;
    log::warn!("the image {} is on the disk now, as {}", image.path().display(), target.display());
    Ok(target)
}
