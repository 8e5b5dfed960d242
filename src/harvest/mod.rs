//! Getting the dumps out of an image: at poststop, by hand, and at the next start. Idempotent and locked, since a
//! runtime may call never, once, twice or in parallel.

pub mod crash_loop;
pub mod crash_record;
pub mod destination;
pub mod hand_over;
pub mod job;
pub mod marks;
pub mod name;
pub mod parcel;
pub mod publish;
pub mod retention;
pub mod running;
mod stock;
pub mod take;
mod taken;

use std::fs::File;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::harvest::take::published::Published;
use crate::harvest::take::{Bounds, Taken};
use crate::image::aside;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mount::label::MountLabel;
use crate::image::read::kernel::Mounted;
use crate::image::read::user_space::UserSpace;
use crate::image::repair::{Repaired, repair};
use crate::image::superblock::Condition;

pub use job::{IfAttached, Job, Owner};
pub use taken::{Harvested, Skipped};

/// How long the lock of an image is waited for.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageOutcome {
    /// There was none.
    Absent,
    /// Everything in it is safe, and it was removed.
    Removed,
    /// What could be read is safe; the image was damaged, and was renamed for somebody to look at.
    Aside,
    /// It was kept: something still uses it, a dump could not be published, or it is not ours.
    Kept,
}

/// What a harvest did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvest {
    /// The dumps that are safe now.
    pub dumps: Vec<Harvested>,
    /// What was left out; of many, the first 100.
    pub skipped: Vec<Skipped>,
    /// Dumps that may still be written, in an image that is in use.
    #[serde(default)]
    pub unfinished: usize,
    /// Why dumps could not be published; they stay in the image.
    #[serde(default)]
    pub failures: Vec<String>,
    /// What kind of failure the first one is.
    #[serde(skip)]
    failure: Option<ErrorKind>,
    /// What became of the image.
    pub image: ImageOutcome,
}

impl Harvest {
    /// Of an image that is not there.
    #[must_use]
    pub fn absent() -> Self {
        Self::of(Taken::default(), ImageOutcome::Absent)
    }

    fn of(taken: Taken, image: ImageOutcome) -> Self {
        let failures = taken.failures.iter().map(Error::report).collect();
        let failure = taken.failures.first().map(Error::kind);
        let Taken { dumps, skipped, unfinished, .. } = taken;
        Self { dumps, skipped, unfinished, failures, failure, image }
    }

    /// The failure to publish dumps, if there was one; the others were published.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        let (kind, first) = (self.failure?, self.failures.first()?);
        let what = match self.failures.len() {
            1 => first.clone(),
            count => format!("{count} dumps could not be published, the first: {first}"),
        };
        Some(Error::new(kind, what))
    }
}

/// Harvests an image. When this fails, the image is kept as it is, to be harvested later.
///
/// # Errors
/// [`ErrorKind::Busy`] when the image is in use, [`ErrorKind::NoSpace`] when the destination is full,
/// [`ErrorKind::Corrupt`] when the image cannot be read, [`ErrorKind::Timeout`] past the deadline.
pub fn harvest_locked(image: &LockedImage, job: Job<'_>) -> Result<Harvest> {
    let published = Published::of(image.file());
    let outcome = harvest_once(image, job, &published);
    if !outcome.as_ref().is_ok_and(|harvest| harvest.image == ImageOutcome::Removed) {
        published.save(image.file());
    }
    outcome
}

fn harvest_once(image: &LockedImage, job: Job<'_>, published: &Published) -> Result<Harvest> {
    let within = |e: Error| e.within(format!("cannot harvest {}", image.path().display()));
    if let Some(device) = image.attached(job.detach_timeout).map_err(within)? {
        return match job.if_attached {
            IfAttached::Refuse => Err(image.in_use(&device)),
            IfAttached::Publish => publish_attached(image, device, job, published).map_err(within),
        };
    }
    let (reading, ours) = match image.condition()? {
        Condition::Blank { ours: true } => (Reading::default(), true),
        Condition::Ext4 { ours, dirty, errors, .. } => {
            let mut reading = read(image, job, (ours, dirty), published).map_err(within)?;
            if errors {
                log::warn!(
                    "the kernel could not write to the image {}, or found errors in it: dumps may be missing",
                    image.path().display()
                );
            }
            reading.damaged |= errors;
            (reading, ours)
        }
        Condition::Blank { ours: false } | Condition::Unknown => return Err(no_file_system(image)),
    };
    finish(image, reading, ours)
}

/// Publishes what is complete in an image that somebody may still write to.
fn publish_attached(
    image: &LockedImage,
    device: LoopDevice,
    job: Job<'_>,
    published: &Published,
) -> Result<Harvest> {
    if !matches!(image.condition()?, Condition::Ext4 { .. }) {
        return Err(no_file_system(image));
    }
    log::warn!("the image {} is still attached to {}", image.path().display(), device.path().display());
    let label = MountLabel::of(image.file());
    // What cannot be written to has no dump that may still be written.
    let is_mounted = !device.is_read_only();
    let mut mounted = Mounted::open_pinned(device, label.as_ref())?;
    let taken = take::take(&mut mounted, job, bounds(image, job, is_mounted)?, published)?;
    if taken.unfinished > 0 {
        log::info!("{} minidumps in {} may still be written", taken.unfinished, image.path().display());
    }
    Ok(Harvest::of(taken, ImageOutcome::Kept))
}

/// Removes an image when everything in it is safe.
fn finish(image: &LockedImage, reading: Reading, ours: bool) -> Result<Harvest> {
    let Reading { taken, damaged } = reading;
    let outcome = if !ours || !taken.failures.is_empty() {
        ImageOutcome::Kept
    } else if damaged {
        let kept = aside::keep_damaged(image)?;
        log::warn!("the damaged image is kept as {}", kept.display());
        ImageOutcome::Aside
    } else {
        image.remove()?;
        taken.log_rest(image.path());
        ImageOutcome::Removed
    };
    Ok(Harvest::of(taken, outcome))
}

/// An honest image cannot hold more dumps than its size; sparse files and hard links can claim any amount.
fn bounds(image: &LockedImage, job: Job<'_>, is_mounted: bool) -> Result<Bounds> {
    Ok(Bounds { budget: image.size()?.saturating_mul(2), deadline: job.deadline, is_mounted })
}

fn no_file_system(image: &LockedImage) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{} holds no ext4 file system", image.path().display()))
        .advise("it is left untouched; name another image, or move this file away")
}

/// What came of reading an image.
#[derive(Debug, Default)]
struct Reading {
    taken: Taken,
    /// Whether the image was so damaged that something may be missing.
    damaged: bool,
}

impl From<Taken> for Reading {
    fn from(taken: Taken) -> Self {
        Self { taken, damaged: false }
    }
}

/// Reads an image that is not attached in the way that fits its condition, and publishes what is in it.
fn read(
    image: &LockedImage,
    job: Job<'_>,
    (ours, dirty): (bool, bool),
    published: &Published,
) -> Result<Reading> {
    if dirty && !ours {
        let what = format!("the foreign image {} was not cleanly unmounted", image.path().display());
        return Err(Error::new(ErrorKind::Corrupt, what).advise("run e2fsck -p on it first"));
    }
    if dirty {
        return match repair(image, job.deadline) {
            // The kernel can replay a journal too.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                log::warn!("{}; the kernel is asked to read it", error.report());
                let mut mounted = Mounted::open(image.file(), image.path(), true)?;
                take::take(&mut mounted, job, bounds(image, job, false)?, published).map(Reading::from)
            }
            other => read_repaired(image, &other?, job, published),
        };
    }
    match read_clean(image, image.file(), job, published) {
        // Damaged without having been noticed: repaired, unless it is somebody else's.
        Err(error) if error.kind() == ErrorKind::Corrupt && ours => {
            log::warn!("{}; it is repaired first", error.report());
            read_repaired(image, &repair(image, job.deadline)?, job, published)
        }
        other => other.map(Reading::from),
    }
}

fn read_repaired(
    image: &LockedImage,
    repaired: &Repaired,
    job: Job<'_>,
    published: &Published,
) -> Result<Reading> {
    let taken = read_clean(image, &repaired.file, job, published)?;
    Ok(Reading { taken, damaged: repaired.damaged })
}

/// Reads a cleanly unmounted image, or the repaired copy of one, in user space; if that cannot understand it, through
/// the kernel.
fn read_clean(image: &LockedImage, file: &File, job: Job<'_>, published: &Published) -> Result<Taken> {
    let bounds = bounds(image, job, false)?;
    match UserSpace::open(file).and_then(|mut fs| take::take(&mut fs, job, bounds, published)) {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            log::warn!("{}; the kernel is asked to read it", error.report());
            take::take(&mut Mounted::open(file, image.path(), false)?, job, bounds, published)
        }
        other => other,
    }
}
