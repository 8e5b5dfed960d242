//! What a start finds where its image goes: the image of an earlier run, or of another container.

use std::path::Path;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::{ImageOutcome, LOCK_PATIENCE};
use crate::hook::leftover::{Terms, harvest_at, owner, publish, user};
use crate::hook::settle::Settled;
use crate::image::aside;
use crate::image::lock::LockedImage;
use crate::image::mark::Mark;
use crate::image::superblock::Condition;
use crate::settings::Plan;
use crate::settings::admin::Admin;

/// How long a device of an earlier run may take to go.
const DETACH_WAIT: Duration = Duration::from_secs(2);
/// How long images that wait for their harvest may hold up a start.
const WAITING_DEADLINE: Duration = Duration::from_secs(1);

/// Makes sure that the image of a plan can be made, or gives the one that must be used again: its dumps could not be
/// harvested, and are this container's own.
///
/// An image that waits for its harvest is moved aside when it is another container's, when something still holds its mount
/// though its container has ended, or when reading it takes too long.
///
/// # Errors
/// [`ErrorKind::Busy`] when a container uses the image, or may; [`ErrorKind::Config`] when it is not one of ours.
pub fn make_way(plan: &Plan, ours: &Mark, admin: &Admin, deadline: Deadline) -> Result<Option<LockedImage>> {
    harvest_waiting(&plan.image, admin);
    let Some(image) = LockedImage::open(&plan.image, deadline.left(LOCK_PATIENCE))? else { return Ok(None) };
    check_ours(&image, plan)?;
    let terms = Terms { admin, lock_wait: LOCK_PATIENCE, detach_wait: DETACH_WAIT, deadline };
    if let Some(device) = user(&image, &terms)? {
        return Err(image.in_use(&device));
    }
    let reason = match publish(&image, ours, &terms) {
        Ok(harvest) => match (harvest.image, harvest.failure()) {
            (ImageOutcome::Kept, Some(failure)) => failure.report(),
            (ImageOutcome::Kept, None) => "something still holds the mount of an earlier run".to_owned(),
            _ => return Ok(None),
        },
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            log::warn!("{}; it is kept as {}", error.report(), aside::keep_damaged(&image)?.display());
            return Ok(None);
        }
        Err(error) => error.report(),
    };
    if !deadline.has_passed() && can_be_used_again(&image, ours, admin)? {
        log::warn!("{reason}; the dumps stay in the image, which is used again");
        return Ok(Some(image));
    }
    log::warn!("{reason}; the image waits for its harvest as {}", aside::move_aside(&image)?.display());
    Ok(None)
}

/// Whether an image with dumps in it may be mounted into the container: not when the dumps are another container's.
fn can_be_used_again(image: &LockedImage, ours: &Mark, admin: &Admin) -> Result<bool> {
    let owner = owner(image, ours, admin)?;
    let is_own = owner.container == ours.container && owner.destination == ours.destination;
    Ok(is_own && image.attached(Duration::ZERO)?.is_none())
}

fn check_ours(image: &LockedImage, plan: &Plan) -> Result<()> {
    if !matches!(image.condition()?, Condition::Unknown | Condition::Ext4 { ours: false, .. }) {
        return Ok(());
    }
    let image = image.path().display();
    let what =
        format!("{image} was not made by this program, so it is left untouched ({}.image)", plan.origin);
    Err(Error::new(ErrorKind::Config, what).advise(format!(
        "take the dumps out with 'oci-minidump-hook harvest {image} --to DIR' and remove it, or name another image"
    )))
}

/// Harvests what can be harvested by now of the images that were at `image`. What cannot must not keep the container from
/// starting.
fn harvest_waiting(image: &Path, admin: &Admin) {
    let deadline = Deadline::after(WAITING_DEADLINE);
    let terms = Terms { admin, lock_wait: Duration::ZERO, detach_wait: Duration::ZERO, deadline };
    let waiting = aside::waiting(image).unwrap_or_else(|error| {
        log::warn!("{}", error.report());
        Vec::new()
    });
    for path in waiting {
        let mut settled = Settled::default();
        settled.add(&path, harvest_at(&path, &Mark::default(), &terms, |_| Ok(true)));
        for error in settled.failures {
            log::warn!("{}", error.report());
        }
    }
}
