//! What a start finds where its image goes: the image of an earlier run, or of another container.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::{ImageOutcome, LOCK_TIMEOUT};
use crate::hook::leftover::{Terms, owner, publish, user};
use crate::hook::settle::Settled;
use crate::image::aside;
use crate::image::lock::LockedImage;
use crate::image::mark::Mark;
use crate::image::memory;
use crate::image::memory::save::save_beside;
use crate::settings::Plan;
use crate::settings::admin::Admin;

/// How long a device of an earlier run may take to go.
const DETACH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long images that wait for their harvest may hold up a start.
const WAITING_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes sure that the image of a plan can be made: what is there is harvested, or moved aside when that cannot be done now.
/// It is never mounted again: the next run could overwrite dumps that are not safe yet.
///
/// # Errors
/// [`ErrorKind::Busy`] when a container uses the image, or may; [`ErrorKind::Config`] when it is not one of ours;
/// [`ErrorKind::NoSpace`] when too many images of that name wait already.
pub fn make_way(plan: &Plan, ours: &Mark, admin: &Admin, deadline: Deadline) -> Result<()> {
    if aside::is_reserved(&plan.image) {
        let what = format!("{} has the name of a file that only the hook makes", plan.image.display());
        return Err(Error::new(ErrorKind::Config, what).advise("name another image"));
    }
    harvest_waiting(&plan.image, admin);
    for place in memory::places(admin, &plan.image) {
        let Some(image) = LockedImage::open(&place, deadline.left(LOCK_TIMEOUT))? else { continue };
        clear(&image.with_disk_place(memory::disk_place(admin, &place)), plan, ours, (admin, deadline))?;
    }
    Ok(())
}

/// Harvests an image that lies where a new one is to be made, or moves it aside.
fn clear(image: &LockedImage, plan: &Plan, ours: &Mark, (admin, deadline): (&Admin, Deadline)) -> Result<()> {
    check_ours(image, plan)?;
    let terms = Terms { admin, lock_timeout: LOCK_TIMEOUT, detach_timeout: DETACH_TIMEOUT, deadline };
    if let Some(device) = user(image, &terms)? {
        return Err(image.in_use(&device));
    }
    let reason = match publish(image, ours, &terms) {
        Ok(harvest) => match (harvest.image, harvest.failure()) {
            (ImageOutcome::Kept, Some(failure)) => failure.report(),
            (ImageOutcome::Kept, None) => "something still holds the mount of an earlier run".to_owned(),
            _ => return Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            // Never within the message: what is not logged is not evaluated.
            match aside::keep_damaged(image) {
                Ok(kept) => {
                    log::warn!("{}; it is kept as {}", error.report(), kept.display());
                    return Ok(());
                }
                Err(kept) => format!("{}; {}", error.report(), kept.report()),
            }
        }
        Err(error) => error.report(),
    };
    let waiting = set_aside(image, ours, admin)?;
    log::warn!("{reason}; the image waits for its harvest as {}", waiting.display());
    Ok(())
}

/// Moves an image out of the way: one in memory to the disk, or, where that fails, in memory.
fn set_aside(image: &LockedImage, ours: &Mark, admin: &Admin) -> Result<PathBuf> {
    match owner(image, ours, admin).and_then(|mark| save_beside(image, &mark)) {
        Ok(Some(target)) => return Ok(target),
        Ok(None) => {}
        Err(error) => log::error!("{}", error.report()),
    }
    aside::move_aside(image)
}

fn check_ours(image: &LockedImage, plan: &Plan) -> Result<()> {
    if image.condition()?.is_ours() {
        return Ok(());
    }
    let image = image.path().display();
    let what =
        format!("{image} was not made by this program, so it is left untouched ({}.image)", plan.origin);
    Err(Error::new(ErrorKind::Config, what).advise(format!(
        "take the dumps out with 'oci-minidump-hook harvest {image} --to DIR' and remove it, or name another image"
    )))
}

/// Harvests what can be harvested by now of the images that were at `image`. What cannot must keep no container from
/// starting or from being deleted.
pub fn harvest_waiting(image: &Path, admin: &Admin) {
    let deadline = Deadline::after(WAITING_TIMEOUT);
    let terms = Terms { admin, lock_timeout: Duration::ZERO, detach_timeout: Duration::ZERO, deadline };
    let waiting = memory::places(admin, image).into_iter().flat_map(|place| {
        aside::waiting(&place).unwrap_or_else(|error| {
            log::warn!("{}", error.report());
            Vec::new()
        })
    });
    for path in waiting {
        let mut settled = Settled::default();
        settled.harvest(&path, &Mark::default(), &terms, |_| Ok(true));
        for error in settled.failures {
            log::warn!("{}", error.report());
        }
    }
}
