//! Getting the dumps out of an image: at poststop, by hand, and at the next start. Idempotent and locked, since a
//! runtime may call never, once, twice or in parallel.

pub mod destination;
pub mod marks;
pub mod name;
pub mod publish;
pub mod retention;
pub mod take;
mod taken;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::kernel::Mounted;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::reader::UserSpace;
use crate::image::repair::{Repaired, repair, set_aside};
use crate::image::superblock::{Condition, inspect};
use crate::settings::admin::Admin;

pub use crate::oci::owner::Owner;

/// How long the lock of an image is waited for.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long a loop device may take to go after its container.
const DETACH_PATIENCE: Duration = Duration::from_secs(2);

/// What to harvest, whose it is and where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The directory on the host for the dumps.
    pub destination: &'a Path,
    /// Whose dumps they are.
    pub owner: Owner<'a>,
    /// The administrator's settings.
    pub admin: &'a Admin,
    /// What to do with an image that is mounted.
    pub if_mounted: IfMounted,
}

/// What to do with an image that is still mounted after a moment's waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMounted {
    /// Leave it alone: another container may be using it.
    Leave,
    /// Read it and keep it: somebody wants to see the dumps of a container that runs.
    Read,
    /// Read it and remove it: its container is gone, and something else pins the mount.
    Finish,
}

/// A dump that is safe on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvested {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// What is missing, when the app could not write all of it.
    pub truncated: Option<String>,
    /// Whether an earlier harvest had put it there already.
    pub already: bool,
}

/// An entry that looked like a dump and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The name that the container gave it, with bytes that are no UTF-8 replaced.
    pub name: String,
    /// Why it was left.
    pub reason: String,
}

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// There was none.
    Absent,
    /// Everything in it is safe, and it was removed.
    Removed,
    /// What could be read is safe; the image was damaged, and was renamed for somebody to look at.
    Aside,
    /// Everything in it is safe, and it was kept: it is not ours, or still mounted somewhere with an unfinished dump.
    Kept,
}

/// What a harvest did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvest {
    /// The dumps that are safe now.
    pub dumps: Vec<Harvested>,
    /// What was left out; of many, the first 100.
    pub skipped: Vec<Skipped>,
    /// What became of the image.
    pub image: Fate,
}

/// Harvests the image at `image`. When this fails, the image is kept as it is, to be harvested later.
///
/// # Errors
/// [`ErrorKind::Busy`] when somebody else works on the image, [`ErrorKind::NoSpace`] when the destination is full,
/// [`ErrorKind::Corrupt`] when the image cannot be read, [`ErrorKind::Attack`] when it is a trap.
pub fn harvest(image: &Path, job: Job<'_>) -> Result<Harvest> {
    match LockedImage::open(image, LOCK_PATIENCE)? {
        Some(locked) => harvest_locked(&locked, job),
        None => Ok(Harvest { dumps: Vec::new(), skipped: Vec::new(), image: Fate::Absent }),
    }
}

/// Harvests an image that is locked already.
///
/// # Errors
/// As [`harvest`].
pub fn harvest_locked(image: &LockedImage, job: Job<'_>) -> Result<Harvest> {
    let within = |e: Error| e.within(format!("cannot harvest {}", image.path().display()));
    let patience = if job.if_mounted == IfMounted::Read { Duration::ZERO } else { DETACH_PATIENCE };
    let pinned = LoopDevice::of_after(image.file(), patience).map_err(within)?;
    if let (Some(device), IfMounted::Leave) = (&pinned, job.if_mounted) {
        return Err(in_use(image, device));
    }
    let is_pinned = pinned.is_some();
    let condition = inspect(image.file()).tried(|| format!("cannot read {}", image.path().display()))?;
    let (reading, ours) = match (condition, pinned) {
        (Condition::Blank, None) => (Reading::default(), true),
        (Condition::Ext4 { ours, dirty, .. }, pinned) => {
            (read(image, job, (ours, dirty), pinned).map_err(within)?, ours)
        }
        (Condition::Blank | Condition::Unknown, _) => {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{} holds no ext4 file system", image.path().display()),
            )
            .advise("it is left untouched; remove it or name another image"));
        }
    };
    let Reading { mut taken, damaged } = reading;
    let failures = taken.failures.len();
    if let Some(first) = taken.failures.drain(..).next() {
        let first = match failures {
            1 => first,
            _ => first.within(format!("{failures} dumps could not be published, the first")),
        };
        return Err(within(first));
    }
    // A container that is not quite gone may still be writing a dump.
    let finished = !is_pinned || (job.if_mounted == IfMounted::Finish && taken.unfinished == 0);
    let fate = if !(ours && finished) {
        Fate::Kept
    } else if damaged {
        log::warn!("the damaged image is kept as {}", set_aside(image)?.display());
        Fate::Aside
    } else {
        image.remove()?;
        taken.log_rest(image.path());
        Fate::Removed
    };
    Ok(Harvest { dumps: taken.dumps, skipped: taken.skipped, image: fate })
}

/// The error about an image that somebody else is using.
#[must_use]
pub fn in_use(image: &LockedImage, device: &LoopDevice) -> Error {
    let what = format!(
        "the image {} is in use: it is attached to {}",
        image.path().display(),
        device.path().display()
    );
    Error::new(ErrorKind::Busy, what)
        .advise("give every container an image of its own, or wait until the other one is deleted")
}

/// What came of reading an image.
#[derive(Debug, Default)]
struct Reading {
    taken: take::Taken,
    /// Whether the image was so damaged that something may be missing.
    damaged: bool,
}

impl From<take::Taken> for Reading {
    fn from(taken: take::Taken) -> Self {
        Self { taken, damaged: false }
    }
}

/// Reads the image in the way that fits its condition, and publishes what is in it.
fn read(
    image: &LockedImage,
    job: Job<'_>,
    (ours, dirty): (bool, bool),
    pinned: Option<LoopDevice>,
) -> Result<Reading> {
    let budget = image.size()?.saturating_mul(2);
    let bounds = take::Bounds { budget, deadline: None, is_mounted: pinned.is_some() };
    if let Some(device) = pinned {
        log::warn!(
            "the image {} is still mounted through {}",
            image.path().display(),
            device.path().display()
        );
        return take::take(&mut Mounted::open_pinned(device)?, job, bounds).map(Reading::from);
    }
    if dirty && !ours {
        let what = format!("the foreign image {} was not cleanly unmounted", image.path().display());
        return Err(Error::new(ErrorKind::Corrupt, what).advise("run e2fsck -p on it first"));
    }
    if dirty {
        return match repair(image) {
            // The kernel can replay a journal too.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                log::warn!("{}; the kernel is asked to read it", error.report());
                let mut mounted = Mounted::open(image.file(), image.path(), true)?;
                take::take(&mut mounted, job, bounds).map(Reading::from)
            }
            other => read_repaired(image, &other?, job, bounds),
        };
    }
    match read_clean(image, image.file(), job, bounds) {
        // Damaged without having been noticed: repaired, unless it is somebody else's.
        Err(error) if error.kind() == ErrorKind::Corrupt && ours => {
            log::warn!("{}; it is repaired first", error.report());
            read_repaired(image, &repair(image)?, job, bounds)
        }
        other => other.map(Reading::from),
    }
}

fn read_repaired(
    image: &LockedImage,
    repaired: &Repaired,
    job: Job<'_>,
    bounds: take::Bounds,
) -> Result<Reading> {
    let taken = read_clean(image, &repaired.file, job, bounds)?;
    Ok(Reading { taken, damaged: repaired.damaged })
}

/// Reads a cleanly unmounted image, or the repaired copy of one, in user space; if that cannot understand it, through
/// the kernel.
fn read_clean(image: &LockedImage, file: &File, job: Job<'_>, bounds: take::Bounds) -> Result<take::Taken> {
    match UserSpace::open(file).and_then(|mut fs| take::take(&mut fs, job, bounds)) {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            log::warn!("{}; the kernel is asked to read it", error.report());
            take::take(&mut Mounted::open(file, image.path(), false)?, job, bounds)
        }
        other => other,
    }
}
