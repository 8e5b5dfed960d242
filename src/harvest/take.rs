//! Taking the dumps out of an opened image, whoever reads it, with bounds on everything a container can inflate.

use crate::deadline::Deadline;
use crate::dump::completeness::completeness;
use crate::dump::minidump::is_minidump;
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::destination::Destination;
use crate::harvest::name::name;
use crate::harvest::{Harvested, Job, Skipped, retention};
use crate::image::create::MAX_INODES;
use crate::image::files::{Candidate, ImageFiles, Kind};
use crate::log::escape;

/// The most entries whose leaving out is told: a container can make hundreds of thousands.
const MAX_SKIPPED: usize = 100;

/// What bounds the taking.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many bytes are published at most.
    pub budget: u64,
    /// When it must have ended.
    pub deadline: Deadline,
    /// Whether somebody may still be writing, so that an incomplete dump is left for later.
    pub is_mounted: bool,
}

/// What was taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// The dumps that are safe now.
    pub dumps: Vec<Harvested>,
    /// What was left out; of many, the first 100.
    pub skipped: Vec<Skipped>,
    /// How many more were left out.
    pub more_skipped: usize,
    /// Dumps that may still be written.
    pub unfinished: usize,
    /// Why dumps could not be published; the others were.
    pub failures: Vec<Error>,
}

/// Publishes every dump in the image, the newest first, at most `budget` bytes: an honest image cannot hold more, but
/// sparse files and hard links can claim any amount.
///
/// # Errors
/// Those of [`crate::harvest::harvest`]; what was published before stays.
pub fn take(files: &mut (impl ImageFiles + ?Sized), job: Job<'_>, bounds: Bounds) -> Result<Taken> {
    let listing = files.list()?;
    let mut taken = Taken::default();
    let mut regular = Vec::new();
    for candidate in listing.candidates {
        match candidate.kind {
            Kind::Regular { size, modified } => regular.push((modified, size, candidate)),
            Kind::Other(what) => skip(&mut taken, &candidate, format!("it is {what}, not a regular file")),
        }
    }
    if listing.cut {
        log::warn!("the image has too many entries, not all were looked at");
    }
    regular.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.2.name.cmp(&b.2.name)));
    let mut left = bounds.budget;
    let mut destination = None;
    for (modified, size, candidate) in regular {
        if let Some(reason) = refusal(files, &candidate, size, left, taken.dumps.len())? {
            skip(&mut taken, &candidate, reason);
            continue;
        }
        let destination = match &mut destination {
            Some(destination) => destination,
            none => none.insert(Destination::open(job.destination, job.admin)?),
        };
        bounds.deadline.check("reading the image")?;
        match publish(files, destination, job, &candidate, (modified, size), bounds.is_mounted)? {
            Some(dump) => {
                left = left.saturating_sub(dump.size);
                taken.dumps.push(dump);
            }
            None => taken.unfinished += 1,
        }
    }
    if taken.more_skipped > 0 {
        log::warn!("left {} more entries in the image", taken.more_skipped);
    }
    if let Some(destination) = destination {
        destination.sync()?;
        retain(&destination, job);
    }
    Ok(taken)
}

/// Why a regular file is not taken, if so.
fn refusal(
    files: &mut (impl ImageFiles + ?Sized),
    candidate: &Candidate,
    size: u64,
    left: u64,
    count: usize,
) -> Result<Option<String>> {
    if size > left {
        return Ok(Some(format!("it claims {size} bytes, more than the image can hold")));
    }
    if u64::try_from(count).is_ok_and(|count| count >= MAX_INODES) {
        return Ok(Some(format!("there are more than {MAX_INODES} dumps")));
    }
    if !is_minidump(&files.head(candidate)?) {
        return Ok(Some(format!("it has {size} bytes and is no minidump")));
    }
    Ok(None)
}

fn publish(
    files: &mut (impl ImageFiles + ?Sized),
    destination: &Destination<'_>,
    job: Job<'_>,
    candidate: &Candidate,
    (modified, size): (i64, u64),
    is_mounted: bool,
) -> Result<Option<Harvested>> {
    let draft = destination.draft()?;
    let copied = files.copy(candidate, size, draft.file()).inspect_err(|_| destination.discard(&draft))?;
    let truncated = match completeness(draft.file()) {
        Ok(completeness) => completeness.reason(),
        Err(error) if error.kind() == ErrorKind::Input => Some(error.report()),
        Err(error) => {
            destination.discard(&draft);
            return Err(error);
        }
    };
    if truncated.is_some() && is_mounted {
        destination.discard(&draft);
        return Ok(None);
    }
    let name = name(job.admin.naming, &candidate.name, job.owner, modified);
    let published = destination.publish(&draft, &name, job.owner.container)?;
    let path = destination.path().join(published.name);
    let who = job.owner.container.map_or_else(String::new, |id| format!(" of container {id}"));
    match &truncated {
        _ if published.already => log::info!("the minidump{who} was harvested before: {}", path.display()),
        None => log::info!("harvested a minidump{who}: {} ({copied} bytes)", path.display()),
        Some(why) => log::warn!(
            "harvested a truncated minidump{who}: {} ({copied} bytes): {why}; raise imgsize if the image ran full",
            path.display()
        ),
    }
    Ok(Some(Harvested { path, size: copied, truncated, already: published.already }))
}

fn skip(taken: &mut Taken, candidate: &Candidate, reason: String) {
    if taken.skipped.len() == MAX_SKIPPED {
        taken.more_skipped += 1;
        return;
    }
    let name = String::from_utf8_lossy(&candidate.name).into_owned();
    log::warn!("left {} in the image: {reason}", escape(&name));
    taken.skipped.push(Skipped { name, reason });
}

/// Applies the limits. A dump that cannot be removed must not make the harvest fail.
fn retain(destination: &Destination<'_>, job: Job<'_>) {
    match retention::apply(destination.path(), job.admin.retention) {
        Ok(removed) => {
            for path in removed {
                log::info!("removed the old dump {} to stay within the limits", path.display());
            }
        }
        Err(error) => log::warn!("{}", error.report()),
    }
}
