//! The dumps of a container that runs: published, and removed from its image once they are safe.

use crate::error::Result;
use crate::harvest::job::Job;
use crate::harvest::take::published::Published;
use crate::harvest::{Harvest, ImageOutcome, bounds, no_file_system, take};
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mount::label::MountLabel;
use crate::image::mount::options::Writable;
use crate::image::read::kernel::Mounted;
use crate::image::read::leased::{Leased, Stuck};
use crate::image::superblock::Condition;

/// Publishes the complete dumps in an image that a container has mounted through `device`. Each is removed from it when
/// its file on the host, and the name of that, are on the disk. What may still be written is left. `stuck` says which dumps
/// could not be removed, and gets the new ones. `first` gets the image before anything is looked for in it.
///
/// # Errors
/// As [`harvest_locked`](crate::harvest::harvest_locked). The image is kept in any case.
pub fn harvest_running(
    image: &LockedImage,
    device: LoopDevice,
    job: Job<'_>,
    stuck: &mut Stuck,
    first: &mut dyn FnMut(&Mounted),
) -> Result<Harvest> {
    let within = |e: crate::error::Error| e.within(format!("cannot harvest {}", image.path().display()));
    let Condition::Ext4 { journal, .. } = image.condition()? else { return Err(no_file_system(image)) };
    let writable = Writable::new(journal, MountLabel::of(image.file()));
    let mut leased = Leased::open(device, &writable, std::mem::take(stuck)).map_err(within)?;
    first(leased.mounted());
    // What is published leaves the image.
    let none = Published::default();
    let taken = bounds(image, job, true).and_then(|bounds| take::take(&mut leased, job, bounds, &none));
    *stuck = leased.into_stuck();
    Ok(Harvest::of(taken.map_err(within)?, ImageOutcome::Kept))
}
