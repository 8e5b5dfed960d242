//! Settling a run of a container that has ended: its images are harvested, and its record goes when all of them are.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::harvest::{Harvest, ImageOutcome};
use crate::hook::leftover::{Leftover, Terms, harvest_leftover, open, save};
use crate::hook::record::{Liveness, Prepared, Record};
use crate::image::aside;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mark::Mark;
use crate::image::memory;
use crate::image::memory::tmpfs::Missing;
use crate::settings::Plan;

/// What settling did.
#[derive(Debug, Default)]
pub struct Settled {
    /// The images that were read, and what became of each.
    pub harvested: Vec<(PathBuf, Harvest)>,
    /// The images that something uses, or may use: they were left alone.
    pub in_use: Vec<PathBuf>,
    /// What went wrong; the images in question are kept.
    pub failures: Vec<Error>,
    /// The images that could not be looked at, or not to their end.
    pub failed: Vec<PathBuf>,
}

impl Settled {
    /// Of a record that cannot be read.
    #[must_use]
    pub fn failed(error: Error) -> Self {
        Self { failures: vec![error], ..Self::default() }
    }

    /// Harvests the image at `path` if `is_ours` says so of it. One in memory that cannot be harvested is written to the
    /// disk, and is for all others the image there. Gives whether something is left of it, or may be; `None` when
    /// nothing of the kind lies there.
    pub fn harvest(
        &mut self,
        path: &Path,
        fallback: &Mark,
        terms: &Terms<'_>,
        is_ours: impl FnOnce(&LockedImage) -> Result<bool>,
    ) -> Option<bool> {
        let image = match open(path, terms, is_ours) {
            Ok(image) => image?,
            Err(error) => {
                self.add(path, Err(error));
                return Some(true);
            }
        };
        let result = harvest_leftover(&image, fallback, terms);
        let saved = save(&image, fallback, &result, terms.admin);
        let is_left = !matches!(&result, Ok(Leftover::Harvested(h)) if h.image != ImageOutcome::Kept);
        self.add(saved.as_deref().unwrap_or(path), result);
        Some(is_left)
    }

    /// Harvests what is at `image`: in memory, and, when nothing is left there, on the disk.
    pub fn harvest_all(&mut self, image: &Path, fallback: &Mark, terms: &Terms<'_>) {
        for place in memory::places(terms.admin, image) {
            if self.harvest(&place, fallback, terms, |_| Ok(true)) == Some(true) {
                return;
            }
        }
    }

    /// Adds what became of the image at `path`.
    fn add(&mut self, path: &Path, result: Result<Leftover>) {
        match result {
            Ok(Leftover::InUse(_)) => self.in_use.push(path.to_owned()),
            Ok(Leftover::Harvested(harvest)) => {
                let within = |failure: Error| failure.within(format!("cannot harvest {}", path.display()));
                self.failures.extend(harvest.failure().map(within));
                self.harvested.push((path.to_owned(), harvest));
            }
            // Another process works on it.
            Err(error) if error.kind() == ErrorKind::Busy => self.in_use.push(path.to_owned()),
            Err(error) => {
                self.failures.push(error);
                self.failed.push(path.to_owned());
            }
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_gone = |(_, harvest): &(PathBuf, Harvest)| harvest.image != ImageOutcome::Kept;
        self.in_use.is_empty() && self.failures.is_empty() && self.harvested.iter().all(is_gone)
    }
}

/// Does for a run of a container that has ended whatever its poststop should do. What cannot be done now with its own images
/// stays, with the record, for the next poststop, start or `sweep`.
pub fn settle(record: &Record, terms: &Terms<'_>) -> Settled {
    let mut settled = Settled::default();
    for prepared in &record.paths {
        settle_path(record, prepared, terms, &mut settled);
    }
    // What lies where the run got no image is an earlier run's: that one's record, the next start and `sweep`, by the image
    // itself, find it. A record of each run that got none would be one too many, for as long as a destination fails.
    let is_complete = settled.is_complete();
    for plan in &record.left {
        let mark = Mark { subject: None, ..mark(record, plan) };
        settled.harvest_all(&plan.image, &mark, terms);
    }
    if is_complete
        && record.liveness() != Liveness::Running
        && let Err(error) = record.remove()
    {
        settled.failures.push(error);
    }
    settled
}

/// The image of one directory is where it was made, or waits beside that.
fn settle_path(record: &Record, prepared: &Prepared, terms: &Terms<'_>, settled: &mut Settled) {
    let image = &prepared.plan.image;
    let mark = Mark { mount: prepared.mount.clone(), ..mark(record, &prepared.plan) };
    let mut is_found = false;
    for place in [prepared.memory.as_ref(), Some(image)].into_iter().flatten() {
        let mut is_left = false;
        let waiting = prepared.identity.map(|identity| aside::waiting_path(place, &identity));
        for path in [Some(place), waiting.as_ref()].into_iter().flatten() {
            let is_ours = |image: &LockedImage| is_of(record, prepared, image);
            let left = settled.harvest(path, &mark, terms, is_ours);
            is_found |= left.is_some();
            is_left |= left == Some(true);
        }
        // What could not be harvested in memory has its next try on the disk another time.
        if is_left {
            break;
        }
    }
    note_unseen(prepared, is_found, settled);
    // Was the prestart killed before the image had its name?
    let image = prepared.place();
    if let Some(dir) = image.parent().filter(|dir| dir.exists())
        && !image.exists()
        && let Err(error) = LoopDevice::detach_stale(dir)
    {
        log::warn!("{}", error.report());
    }
}

/// An image in memory that is nowhere may be where another mount namespace has the memory: it is left to a harvest there.
fn note_unseen(prepared: &Prepared, is_found: bool, settled: &mut Settled) {
    let (Some(place), Some(identity), false) = (&prepared.memory, &prepared.identity, is_found) else {
        return;
    };
    let shown = place.display();
    match memory::tmpfs::missing(place, identity) {
        Ok(Missing::Removed) => {}
        Ok(Missing::Hidden) => {
            log::warn!(
                "image {shown} cannot be seen: another file system is mounted there, or this is not the host's mount \
                 namespace; run 'oci-minidump-hook sweep' on the host when that has ended"
            );
            settled.in_use.push(place.clone());
        }
        Ok(Missing::Unmounted) => {
            log::error!(
                "image {shown} is gone with the file system that it was on, which was unmounted, and so are dumps that \
                 were not harvested"
            );
        }
        Err(error) => settled.failures.push(error),
    }
}

/// Whether an image is the one that was prepared for this run. Of a record of version 0.1, the mark of the image must not
/// name another container.
fn is_of(record: &Record, prepared: &Prepared, image: &LockedImage) -> Result<bool> {
    match prepared.identity {
        Some(identity) => Ok(image.identity()?.is_same(&identity)),
        None => Ok(Mark::read(image.file()).container.is_none_or(|container| container == record.id)),
    }
}

fn mark(record: &Record, plan: &Plan) -> Mark {
    Mark {
        container: Some(record.id.clone()),
        app_state: record.app_state.clone(),
        destination: Some(plan.host_destination.clone()),
        mount: None,
        subject: record.subject.clone(),
    }
}
