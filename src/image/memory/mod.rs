//! Images in memory: each lies on a tmpfs of ours as long as its container runs, and on the disk only when it could not be
//! harvested.
//!
//! On the tmpfs an image has the path that it would have on the disk, below the mount point. So each place says the other
//! one, and images that were set aside or damaged have their names in both.

pub mod copy;
pub mod save;
pub mod tmpfs;

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::image::create::NewImage;
use crate::settings::Plan;
use crate::settings::admin::Admin;

/// Where the image that the configuration has at `image` lies when it is in memory.
#[must_use]
pub fn place(admin: &Admin, image: &Path) -> PathBuf {
    admin.memory_dir().join(image.strip_prefix("/").unwrap_or(image))
}

/// The places of an image: in memory, then on the disk.
#[must_use]
pub fn places(admin: &Admin, image: &Path) -> [PathBuf; 2] {
    [place(admin, image), image.to_owned()]
}

/// Where an image in memory is written when it must be kept; `None` for a path elsewhere.
#[must_use]
pub fn disk_place(admin: &Admin, path: &Path) -> Option<PathBuf> {
    path.strip_prefix(admin.memory_dir()).ok().map(|rest| Path::new("/").join(rest))
}

/// Refuses a place that a configuration names where images in memory are.
///
/// # Errors
/// [`ErrorKind::Config`].
pub fn refuse(admin: &Admin, path: &Path) -> Result<()> {
    if path.starts_with(admin.memory_dir()) {
        return Err(Error::new(ErrorKind::Config, "lies where images in memory are")
            .advise("name a place on the disk; image_backing in the settings puts images into memory"));
    }
    Ok(())
}

/// Makes the image that `plan` describes in memory; otherwise as [`NewImage::make`].
///
/// # Errors
/// Those of [`NewImage::make`] and [`tmpfs::make_ready`]: the image can be made on the disk then.
pub fn make(plan: &Plan, owner: (u32, u32), admin: &Admin) -> Result<NewImage> {
    tmpfs::make_ready(admin)?;
    let placed = Plan { image: place(admin, &plan.image), ..plan.clone() };
    NewImage::make(&placed, owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_says_the_other_one() {
        let admin = Admin::default();
        let [memory, disk] = places(&admin, Path::new("/data/images/a.img"));
        assert_eq!(memory, Path::new("/run/oci-minidump/memory/data/images/a.img"));
        assert_eq!(disk_place(&admin, &memory), Some(disk.clone()));
        assert_eq!(disk_place(&admin, &disk), None);
    }
}
