//! Taking the dumps out of an opened image, whatever reads it, with bounds on everything a container can inflate.

mod bring;
pub mod published;

use std::cmp::Reverse;
use std::rc::Rc;

use crate::dump::minidump::is_minidump;
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::crash_loop::{self, Fate};
use crate::harvest::destination::Destination;
use crate::harvest::job::Job;
use crate::harvest::retention;
use crate::harvest::take::published::Published;
use crate::harvest::taken::log_dump;
use crate::image::known;
use crate::image::read::files::{Candidate, ImageFiles, Kind, Listing, Place, Time};

pub use crate::harvest::taken::{Bounds, Harvested, Skipped, Taken};

/// Publishes every dump in the image, the newest first, but for those that were published before and have gone. One that
/// cannot be published does not keep the others from it.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when something in the image cannot be read, [`ErrorKind::Timeout`] past the deadline, and those
/// of opening the destination. What was published before stays.
pub fn take(
    files: &mut (impl ImageFiles + ?Sized),
    job: Job<'_>,
    bounds: Bounds,
    published: &Published,
) -> Result<Taken> {
    let Listing { candidates, rest, links, cut } = files.list(bounds.deadline)?;
    if links > 0 {
        log::info!("{links} more names in the image lead to the same files (hard links)");
    }
    let taken = Taken { rest, is_again: files.removes(), ..Taken::default() };
    let left = bounds.budget;
    let mut taking = Taking {
        files,
        job,
        bounds,
        published,
        left,
        destination: None,
        taken,
        unreadable: None,
        has_made_room: false,
        not_kept: 0,
    };
    let all = taking.all(candidates);
    let Taking { mut taken, destination, unreadable, not_kept, .. } = taking;
    if cut {
        let what = "there are too many files in the image, not all were looked at";
        taken.failures.push(Error::new(ErrorKind::System, what));
    }
    if taken.more_skipped > 0 && !taken.is_again {
        log::warn!("skipped {} more", taken.more_skipped);
    }
    crash_loop::say(job.owner.container.unwrap_or_default(), usize::try_from(not_kept).unwrap_or(usize::MAX));
    if let Some(destination) = &destination {
        // What was taken out of the image was synced before.
        if !taken.is_again {
            destination.sync()?;
            published.synced();
            taken.dumps.iter().for_each(|dump| log_dump(dump, job.owner.container));
        }
        // So that `list` finds the dumps. They are safe without that.
        if let Err(error) = known::remember(&job.admin.known_destinations(), destination.path()) {
            log::debug!("{}", error.report());
        }
        retention::retain(destination, job.admin.retention, &taken.dumps);
        destination.remove_orphans();
    }
    if taken.is_again {
        // Another reader cannot do better, and what was published is not in the image any more: it must be known.
        taken.failures.extend(all.err().into_iter().chain(unreadable));
        return Ok(taken);
    }
    all?;
    match unreadable {
        Some(error) if taken.failures.is_empty() => Err(error),
        // What can be read and is not on the host yet must not be given up with the rest.
        Some(error) => {
            taken.failures.push(error);
            Ok(taken)
        }
        None => Ok(taken),
    }
}

/// A harvest under way.
struct Taking<'a, F: ?Sized> {
    files: &'a mut F,
    job: Job<'a>,
    bounds: Bounds,
    published: &'a Published,
    /// How many bytes may still be published.
    left: u64,
    destination: Option<Rc<Destination<'a>>>,
    taken: Taken,
    /// The first file that could not be read: another reader may do better.
    unreadable: Option<Error>,
    /// Whether old dumps had to go because there was no room for new ones.
    has_made_room: bool,
    /// How many dumps of a crash loop were counted only.
    not_kept: u64,
}

/// A regular file with the name of a dump.
struct Dump {
    candidate: Candidate,
    size: u64,
    modified: Time,
    /// Its place among the dumps of its container, and how many before it are not kept.
    number: u64,
    not_kept: u64,
    /// Whether an earlier harvest of the image has published it.
    is_known: bool,
}

impl<'a, F: ImageFiles + ?Sized> Taking<'a, F> {
    fn all(&mut self, candidates: Vec<Candidate>) -> Result<()> {
        let mut dumps = Vec::new();
        for candidate in candidates {
            let what = match candidate.kind {
                Kind::Regular { size, modified } => {
                    let is_known = self.published.has(&candidate, self.job.destination);
                    dumps.push(Dump { candidate, size, modified, number: 0, not_kept: 0, is_known });
                    continue;
                }
                Kind::Directory => "a directory",
                Kind::Other(what) => what,
            };
            self.taken.skip(&candidate.place, format!("it is {what}, not a regular file"));
        }
        dumps.sort_by(|a, b| {
            let newest_first = Reverse(a.modified).cmp(&Reverse(b.modified));
            newest_first.then_with(|| a.candidate.place.cmp(&b.candidate.place))
        });
        self.choose(&mut dumps)?;
        self.put_claims_last(&mut dumps);
        for dump in dumps {
            self.bounds.deadline.check("reading the image")?;
            match self.judge(&dump) {
                Ok(false) => {}
                Ok(true) => self.try_publish(&dump)?,
                Err(error) => self.go_on_after(error, &dump.candidate.place)?,
            }
        }
        Ok(())
    }

    /// Puts what was published before behind what was not. Where not all that is claimed can be real, the smallest come
    /// first: a file without content claims any size, and any time.
    fn put_claims_last(&self, dumps: &mut [Dump]) {
        let new = dumps.iter().filter(|dump| !dump.is_known);
        let claimed = new.fold(0_u64, |sum, dump| sum.saturating_add(dump.size));
        let is_in_doubt = claimed > self.left;
        dumps.sort_by_key(|dump| (dump.is_known, if is_in_doubt { dump.size } else { 0 }));
    }

    /// Leaves out what a container that crashes in a loop has too much.
    fn choose(&mut self, dumps: &mut Vec<Dump>) -> Result<()> {
        let limits = self.job.admin.retention;
        let Some(container) = self.job.owner.container.filter(|_| limits.is_per_container()) else {
            return Ok(());
        };
        if dumps.is_empty() || !self.destination()?.takes_marks() {
            return Ok(());
        }
        if self.files.removes() {
            // Each is published and leaves the image: which of them stay is decided about those on the host.
            let next = crash_loop::next_number(self.job.destination, container)?;
            for (dump, number) in dumps.iter_mut().rev().zip(next..) {
                dump.number = number;
            }
            return Ok(());
        }
        let mut real = Vec::new();
        let (known, new): (Vec<_>, Vec<_>) =
            std::mem::take(dumps).into_iter().partition(|dump| dump.is_known);
        dumps.extend(known);
        for dump in new {
            self.bounds.deadline.check("reading the image")?;
            match self.judge(&dump) {
                Ok(false) => {}
                Ok(true) => real.push(dump),
                Err(error) => self.go_on_after(error, &dump.candidate.place)?,
            }
        }
        let times: Vec<_> = real.iter().rev().map(|dump| (dump.modified, dump.size)).collect();
        let fates = crash_loop::plan(self.job.destination, container, &times, limits)?;
        for (mut dump, fate) in real.into_iter().zip(fates.into_iter().rev()) {
            match fate {
                Fate::Kept { number, not_kept } => {
                    (dump.number, dump.not_kept) = (number, not_kept);
                    dumps.push(dump);
                }
                // Decided once: in the next harvest of an image that stays it would be the newest of those that are new.
                Fate::NotKept => self.published.add(&dump.candidate, self.job.destination),
            }
        }
        Ok(())
    }

    /// The destination, opened once.
    fn destination(&mut self) -> Result<Rc<Destination<'a>>> {
        if let Some(destination) = &self.destination {
            return Ok(destination.clone());
        }
        let Job { destination, mount, admin, .. } = self.job;
        let destination = Rc::new(Destination::open_on(destination, mount, admin)?);
        Ok(self.destination.insert(destination).clone())
    }

    /// Whether a file is a dump that is to be published.
    fn judge(&mut self, dump: &Dump) -> Result<bool> {
        let place = &dump.candidate.place;
        if dump.size > self.bounds.budget {
            let reason = format!("it claims {} bytes, more than the image can hold", dump.size);
            self.taken.skip(place, reason);
            return Ok(false);
        }
        if !is_minidump(&self.files.head(place)?) {
            let reason = format!("it has {} bytes and is not a minidump", dump.size);
            // Crash handlers write the header last.
            if self.bounds.is_mounted {
                self.taken.leave(place, &reason);
            } else {
                self.taken.skip(place, reason);
            }
            return Ok(false);
        }
        // What was published before was counted then, so that each harvest of such an image gets further.
        if dump.size > self.left && !dump.is_known {
            let what = "the dumps claim more bytes than the image can hold";
            let error =
                Error::new(ErrorKind::System, what).advise("harvest the image again for the next of them");
            self.taken.fail(place, error);
            return Ok(false);
        }
        Ok(true)
    }

    /// Notes an error of reading one file of the image, so that the others have their turn; past the deadline there is none.
    fn go_on_after(&mut self, error: Error, place: &Place) -> Result<()> {
        match error.kind() {
            ErrorKind::Timeout => return Err(error),
            ErrorKind::Corrupt => drop(self.unreadable.get_or_insert(error)),
            ErrorKind::NotFound | ErrorKind::Attack => self.taken.skip(place, error.report()),
            ErrorKind::Busy if self.bounds.is_mounted => self.taken.leave(place, &error.report()),
            _ => self.taken.fail(place, error),
        }
        Ok(())
    }
}
