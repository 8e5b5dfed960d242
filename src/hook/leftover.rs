//! The images that runs of containers have left: harvested for whoever they belong to, or kept where something still uses
//! them. Poststop, `sweep` and the next start all do it here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};

use crate::deadline::Deadline;
use crate::error::{Error, Result, Tried};
use crate::harvest::{Harvest, IfAttached, ImageOutcome, Job, Owner, harvest_locked};
use crate::hook::record::{Liveness, Record};
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mark::Mark;
use crate::image::memory;
use crate::proc::mountinfo;
use crate::settings::admin::Admin;

/// How patient the work is.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The administrator's settings.
    pub admin: &'a Admin,
    /// How long the lock of an image is waited for.
    pub lock_timeout: Duration,
    /// How long a loop device may take to go after its container.
    pub detach_timeout: Duration,
    /// When reading must have ended.
    pub deadline: Deadline,
}

/// What became of an image.
#[derive(Debug)]
pub enum Leftover {
    /// Something uses it, or may: it was left alone.
    InUse(LoopDevice),
    /// It was harvested, and is for another time what [`Harvest::image`] says.
    Harvested(Harvest),
}

/// Harvests a locked image for its owner, unless a container uses it. The owner is what the image says, or else `fallback`.
///
/// # Errors
/// As [`user`] and [`publish`]; the image is kept then.
pub fn harvest_leftover(image: &LockedImage, fallback: &Mark, terms: &Terms<'_>) -> Result<Leftover> {
    match user(image, terms)? {
        Some(device) => Ok(Leftover::InUse(device)),
        None => publish(image, fallback, terms).map(Leftover::Harvested),
    }
}

/// The device through which a container uses an image, or may use it. An image that is attached though every container that
/// has or had it is known to have ended is not in use: something else, such as a debug shell, holds the mount.
///
/// # Errors
/// The kernel's and those of the records: it is not known then whether the image is in use.
pub fn user(image: &LockedImage, terms: &Terms<'_>) -> Result<Option<LoopDevice>> {
    if let Some(device) = image.attached(Duration::ZERO)? {
        release(image, &device, terms.admin)?;
    }
    let Some(device) = image.attached(terms.deadline.left(terms.detach_timeout))? else { return Ok(None) };
    // Its init may have ended only while we waited.
    match release(image, &device, terms.admin)? {
        Liveness::Ended => Ok(None),
        Liveness::Running | Liveness::Unknown => Ok(Some(device)),
    }
}

/// Harvests an image that no container uses. One that is attached all the same is only read, and kept.
///
/// # Errors
/// As [`harvest_locked`]; the image is kept then.
pub fn publish(image: &LockedImage, fallback: &Mark, terms: &Terms<'_>) -> Result<Harvest> {
    let owner = owner(image, fallback, terms.admin)?;
    let job = Job {
        destination: owner.destination.as_deref().unwrap_or(&terms.admin.host_destination),
        mount: owner.mount.as_deref(),
        owner: Owner::from(&owner),
        admin: terms.admin,
        if_attached: IfAttached::Publish,
        detach_timeout: Duration::ZERO,
        deadline: terms.deadline,
    };
    harvest_locked(image, job)
}

/// Whose image it is: by its own mark, by the records, or else `fallback`.
///
/// # Errors
/// As [`Record::of_image`].
pub fn owner(image: &LockedImage, fallback: &Mark, admin: &Admin) -> Result<Mark> {
    let mut mark = Mark::read(image.file());
    if mark.subject.is_none() && (mark.container.is_none() || mark.container == fallback.container) {
        mark.subject.clone_from(&fallback.subject);
    }
    if let (Some(subject), Some(known)) = (&mut mark.subject, &fallback.subject)
        && mark.container == fallback.container
        && known.run.has_ended()
    {
        // The mark is of its beginning.
        subject.run = known.run;
    }
    if mark.container.is_some() && mark.destination.is_some() {
        return Ok(mark);
    }
    let identity = image.identity()?;
    for record in Record::of_image(&admin.state_dir, &identity)? {
        let is_same = |other: &crate::image::identity::Identity| other.is_same(&identity);
        let mut paths = record.paths.into_iter();
        if let Some(prepared) = paths.find(|prepared| prepared.identity.as_ref().is_some_and(is_same)) {
            let (destination, mount) = (Some(prepared.plan.host_destination), prepared.mount);
            let Record { id, app_state, subject, .. } = record;
            return Ok(Mark { container: Some(id), app_state, destination, mount, subject });
        }
    }
    Ok(Mark {
        container: mark.container.or_else(|| fallback.container.clone()),
        app_state: mark.app_state.or_else(|| fallback.app_state.clone()),
        mount: if mark.destination.is_some() { mark.mount } else { fallback.mount.clone() },
        destination: mark.destination.or_else(|| fallback.destination.clone()),
        subject: mark.subject,
    })
}

/// Gives up what containers that have ended left of the mounts of an image. Gives whether one of them runs, or may run.
fn release(image: &LockedImage, device: &LoopDevice, admin: &Admin) -> Result<Liveness> {
    let records = Record::of_image(&admin.state_dir, &image.identity()?)?;
    let liveness = records.iter().map(Record::liveness).max();
    if !matches!(liveness, Some(Liveness::Running | Liveness::Unknown)) {
        if liveness.is_some() {
            unmount_here(device).iter().for_each(|error| log::warn!("{}", error.report()));
        }
        // Killed in the middle of attaching on an old kernel, a hook leaves a device that does not detach by itself. One
        // that is mounted or open somewhere detaches only when that ends.
        device.detach()?;
    }
    Ok(liveness.unwrap_or(Liveness::Unknown))
}

/// Unmounts a device wherever it is mounted in our own mount namespace: a container without one of its own leaves its mount
/// there.
fn unmount_here(device: &LoopDevice) -> Vec<Error> {
    let points: Vec<_> = match device.number().and_then(mountinfo::of_device) {
        Ok(mounts) => mounts.into_iter().map(|mount| mount.point).collect(),
        Err(error) => return vec![error],
    };
    let unmount_one = |point: &std::path::PathBuf| {
        let result = unmount(point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        // A mount that propagated went with the first one.
        let result = if result == Err(rustix::io::Errno::INVAL) { Ok(()) } else { result };
        result.tried(|| format!("cannot unmount {}", point.display())).err()
    };
    points.iter().rev().filter_map(unmount_one).collect()
}

/// Opens the image at `path` if `is_ours` says so of it; `None` when there is none, or another one.
///
/// # Errors
/// As [`LockedImage::open`], and those of `is_ours`.
pub fn open(
    path: &Path,
    terms: &Terms<'_>,
    is_ours: impl FnOnce(&LockedImage) -> Result<bool>,
) -> Result<Option<LockedImage>> {
    let Some(image) = LockedImage::open(path, terms.deadline.left(terms.lock_timeout))? else {
        return Ok(None);
    };
    let image = image.with_disk_place(memory::disk_place(terms.admin, path));
    Ok(if is_ours(&image)? { Some(image) } else { None })
}

/// Writes an image in memory to the disk, unless its harvest has removed it or it is in use. Gives where it is then.
pub fn save(
    image: &LockedImage,
    fallback: &Mark,
    harvested: &Result<Leftover>,
    admin: &Admin,
) -> Option<PathBuf> {
    let is_done = match harvested {
        Ok(Leftover::InUse(_)) => true,
        Ok(Leftover::Harvested(harvest)) => harvest.image != ImageOutcome::Kept,
        Err(_) => false,
    };
    if is_done || image.disk_place().is_none() {
        return None;
    }
    match owner(image, fallback, admin).and_then(|mark| memory::save::save(image, &mark)) {
        Ok(saved) => saved,
        Err(error) => {
            log::error!("{}", error.report());
            None
        }
    }
}
