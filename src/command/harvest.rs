//! `harvest IMAGE --to DIR`: takes the dumps out of an image by hand. `harvest --running`: out of those of containers that
//! run.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::command::{say, say_json};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::harvest::{Harvest, IfAttached, ImageOutcome, Job, LOCK_TIMEOUT, Owner, harvest_locked};
use crate::image::lock::LockedImage;
use crate::image::mark::Mark;
use crate::image::memory;
use crate::log::escape;
use crate::running::once;
use crate::settings::admin::Admin;

/// Harvests `image` into `destination` and says what it did, for people or as JSON.
///
/// # Errors
/// As [`harvest_locked`], [`ErrorKind::Input`] when there is no image, and the first failure to publish a dump.
pub fn harvest(
    image: &Path,
    destination: &Path,
    json: bool,
    admin: &Admin,
    out: &mut impl Write,
) -> Result<()> {
    // One in memory is asked for by the name that it has in the configuration.
    let in_memory = memory::place(admin, &std::path::absolute(image).unwrap_or_default());
    let image = if !image.exists() && in_memory.exists() { &in_memory } else { image };
    let harvest = by_hand(image, destination, admin)?;
    if harvest.image == ImageOutcome::Absent {
        return Err(Error::new(ErrorKind::Input, format!("there is no image {}", image.display())));
    }
    if json {
        say_json(out, &harvest)?;
    } else {
        tell(&harvest, image, "kept", out)?;
    }
    harvest.failure().map_or(Ok(()), Err)
}

/// Harvests containers that run, and says what that did, as `sweep` does. Exits with [`ExitCode::Failure`] when a complete
/// dump was left.
///
/// # Errors
/// As [`once::harvest`].
pub fn running(ids: &[String], json: bool, admin: &Admin, out: &mut impl Write) -> Result<ExitCode> {
    let sweep = once::harvest(ids, admin)?;
    if json {
        say_json(out, &sweep)?;
    } else {
        for swept in &sweep.harvested {
            tell(&swept.harvest, &swept.path, "kept, its container runs", out)?;
        }
        for path in &sweep.in_use {
            say(out, format_args!("image {}: another process works on it", path.display()))?;
        }
    }
    Ok(if sweep.failures.is_empty() && sweep.in_use.is_empty() { ExitCode::Ok } else { ExitCode::Failure })
}

/// The image says whose dumps it holds; where they go is the person's choice.
fn by_hand(image: &Path, destination: &Path, admin: &Admin) -> Result<Harvest> {
    let Some(locked) = LockedImage::open(image, LOCK_TIMEOUT)? else { return Ok(Harvest::absent()) };
    let mark = Mark::read(locked.file());
    let job = Job {
        destination,
        mount: None,
        owner: Owner::from(&mark),
        admin,
        if_attached: IfAttached::Publish,
        detach_timeout: Duration::ZERO,
        deadline: Deadline::NONE,
    };
    harvest_locked(&locked, job)
}

/// Says what a harvest did; `kept` is what to say of an image that stays.
fn tell(harvest: &Harvest, image: &Path, kept: &str, out: &mut impl Write) -> Result<()> {
    for dump in &harvest.dumps {
        let mut notes = String::new();
        if let Some(why) = &dump.truncated {
            notes.push_str(&format!(", truncated: {}", escape(why)));
        }
        if dump.already {
            notes.push_str(", harvested before");
        }
        say(out, format_args!("{} ({} bytes{notes})", dump.path.display(), dump.size))?;
    }
    for skipped in &harvest.skipped {
        say(out, format_args!("skipped {}: {}", escape(&skipped.name), skipped.reason))?;
    }
    let fate = match harvest.image {
        ImageOutcome::Absent => "absent",
        ImageOutcome::Removed => "removed",
        ImageOutcome::Aside => "damaged, renamed",
        ImageOutcome::Kept => kept,
    };
    say(out, format_args!("image {}: {fate}", image.display()))
}
