//! Settling a run of a container that has ended: its images are harvested, and its record goes when all of them are.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::harvest::{Harvest, ImageOutcome};
use crate::hook::leftover::{Leftover, Terms, harvest_at};
use crate::hook::record::{Liveness, Prepared, Record};
use crate::image::aside;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mark::Mark;
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

    /// Adds what became of the image at `path`.
    pub fn add(&mut self, path: &Path, result: Result<Option<Leftover>>) {
        match result {
            Ok(None) => {}
            Ok(Some(Leftover::InUse(_))) => self.in_use.push(path.to_owned()),
            Ok(Some(Leftover::Harvested(harvest))) => {
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

/// Does for a run of a container that has ended whatever its poststop should do. What cannot be done now stays, with the
/// record, for the next poststop, start or `sweep`.
pub fn settle(record: &Record, terms: &Terms<'_>) -> Settled {
    let mut settled = Settled::default();
    for prepared in &record.paths {
        settle_path(record, prepared, terms, &mut settled);
    }
    for plan in &record.left {
        // The image may be an earlier run's.
        let mark = Mark { subject: None, ..mark(record, plan) };
        let result = harvest_at(&plan.image, &mark, terms, |_| Ok(true));
        settled.add(&plan.image, result);
    }
    if settled.is_complete()
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
    let waiting = prepared.identity.map(|identity| aside::waiting_path(image, &identity));
    for path in [Some(image), waiting.as_ref()].into_iter().flatten() {
        let is_ours = |image: &LockedImage| is_of(record, prepared, image);
        let result = harvest_at(path, &mark(record, &prepared.plan), terms, is_ours);
        settled.add(path, result);
    }
    // Was the prestart killed before the image had its name?
    if let Some(dir) = image.parent().filter(|dir| dir.exists())
        && !image.exists()
        && let Err(error) = LoopDevice::detach_stale(dir)
    {
        log::warn!("{}", error.report());
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
        subject: record.subject.clone(),
    }
}
