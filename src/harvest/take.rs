//! Taking the dumps out of an opened image, whatever reads it, with bounds on everything a container can inflate.

use std::cmp::Reverse;
use std::rc::Rc;

use crate::dump::completeness::completeness;
use crate::dump::minidump::is_minidump;
use crate::error::{Error, ErrorKind, Result};
use crate::harvest::crash_loop::{self, Fate};
use crate::harvest::destination::{Destination, Draft};
use crate::harvest::job::Job;
use crate::harvest::marks::Marks;
use crate::harvest::name::name;
use crate::harvest::published::Published;
use crate::harvest::retention;
use crate::harvest::taken::{Harvested, log_dump};
use crate::image::known;
use crate::image::read::files::{Candidate, ImageFiles, Kind, Listing, Place, Time};
use crate::image::read::leased::former_name;

pub use crate::harvest::taken::{Bounds, Taken};

/// The longest metadata of a dump, in bytes; Crashpad writes less than 4 KiB.
const MAX_META: u64 = 64 << 10;

/// Publishes every dump in the image, the newest first, but for those that were published before and have gone. One that cannot be published does not keep the others from it.
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
    unreadable.map_or(Ok(taken), Err)
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
            if let Fate::Kept { number, not_kept } = fate {
                (dump.number, dump.not_kept) = (number, not_kept);
                dumps.push(dump);
            }
        }
        Ok(())
    }

    /// The destination, opened once.
    fn destination(&mut self) -> Result<Rc<Destination<'a>>> {
        if let Some(destination) = &self.destination {
            return Ok(destination.clone());
        }
        let destination = Rc::new(Destination::open(self.job.destination, self.job.admin)?);
        Ok(self.destination.insert(destination).clone())
    }

    /// Whether a file is a dump that is to be published.
    fn judge(&mut self, dump: &Dump) -> Result<bool> {
        let place = &dump.candidate.place;
        if dump.size > self.left {
            let reason = format!("it claims {} bytes, more than the image can hold", dump.size);
            self.taken.skip(place, reason);
            return Ok(false);
        }
        if is_minidump(&self.files.head(place)?) {
            return Ok(true);
        }
        let reason = format!("it has {} bytes and is not a minidump", dump.size);
        // Crash handlers write the header last.
        if self.bounds.is_mounted {
            self.taken.leave(place, &reason);
        } else {
            self.taken.skip(place, reason);
        }
        Ok(false)
    }

    fn try_publish(&mut self, dump: &Dump) -> Result<()> {
        let destination = self.destination()?;
        let mut result = self.publish(dump, &destination);
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoSpace) && self.make_room() {
            result = self.publish(dump, &destination);
        }
        result.or_else(|error| self.go_on_after(error, &dump.candidate.place))
    }

    /// Notes an error about one file, so that the others have their turn; past the deadline there is none.
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

    fn publish(&mut self, dump: &Dump, destination: &Destination<'_>) -> Result<()> {
        let (job, place) = (self.job, &dump.candidate.place);
        let draft = destination.draft()?;
        let size = self.files.copy(place, dump.size, draft.file(), self.bounds.deadline)?;
        let truncated = match completeness(draft.file()) {
            Ok(completeness) => completeness.reason(),
            Err(error) if error.kind() == ErrorKind::Input => Some(error.report()),
            Err(error) => return Err(error),
        };
        if let (Some(reason), true) = (&truncated, self.bounds.is_mounted) {
            self.taken.leave(place, reason);
            return Ok(());
        }
        let meta = self.copy_meta(dump, destination)?;
        let name = name(&job.admin.naming, former_name(&place.name), job.owner, dump.modified.seconds);
        let Dump { number, not_kept, modified: time, .. } = *dump;
        let marks = Marks { container: job.owner.container, time, number, not_kept };
        let mut parcel = destination.parcel(draft, meta, job.owner, time)?;
        parcel.is_known = dump.is_known;
        let published = destination.publish(parcel, &name, marks)?;
        self.published.add(&dump.candidate, job.destination);
        let path = destination.path().join(published.name);
        self.not_kept += if published.already { 0 } else { not_kept };
        let harvested = Harvested { path, size, truncated, already: published.already };
        log_dump(&harvested, job.owner.container);
        self.left = self.left.saturating_sub(size);
        self.taken.dumps.push(harvested);
        if self.files.removes() {
            destination.sync()?;
            self.files.remove(&dump.candidate)?;
        }
        Ok(())
    }

    /// Copies what Crashpad has noted about a dump.
    fn copy_meta<'d>(&mut self, dump: &Dump, destination: &'d Destination<'_>) -> Result<Option<Draft<'d>>> {
        let Some((place, size)) = &dump.candidate.meta else { return Ok(None) };
        if *size > MAX_META {
            self.taken.skip(place, format!("it claims {size} bytes, too many for metadata of a dump"));
            return Ok(None);
        }
        let draft = destination.draft()?;
        match self.files.copy(place, *size, draft.file(), self.bounds.deadline) {
            Ok(_) => Ok(Some(draft)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Attack) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies the limits before all dumps are there, once. Gives whether anything was removed.
    fn make_room(&mut self) -> bool {
        let Some(destination) = &self.destination else { return false };
        !std::mem::replace(&mut self.has_made_room, true)
            && retention::retain(destination, self.job.admin.retention, &self.taken.dumps) > 0
    }
}
