//! Bringing one dump of an image to the host: copied first, then published.

use crate::dump::completeness::completeness;
use crate::error::{ErrorKind, Result};
use crate::harvest::destination::{Destination, Draft};
use crate::harvest::marks::Marks;
use crate::harvest::name::name;
use crate::harvest::retention;
use crate::harvest::take::{Dump, Taking};
use crate::harvest::taken::{Harvested, log_dump};
use crate::image::read::files::ImageFiles;
use crate::image::read::leased::former_name;

/// The longest metadata of a dump, in bytes; Crashpad writes less than 4 KiB.
const MAX_META: u64 = 64 << 10;

/// A dump outside the image, without a name.
struct Copy<'d> {
    draft: Draft<'d>,
    meta: Option<Draft<'d>>,
    size: u64,
    truncated: Option<String>,
}

impl<F: ImageFiles + ?Sized> Taking<'_, F> {
    /// Publishes a dump, after old ones have made room for it if they must.
    ///
    /// # Errors
    /// What ends the whole harvest; others are noted.
    pub(super) fn try_publish(&mut self, dump: &Dump) -> Result<()> {
        let destination = self.destination()?;
        let mut result = self.bring(dump, &destination);
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NoSpace) && self.make_room() {
            result = self.bring(dump, &destination);
        }
        result.or_else(|error| self.go_on_after(error, &dump.candidate.place))
    }

    /// Copies a dump, and publishes the copy.
    ///
    /// # Errors
    /// Those of reading the image, and [`ErrorKind::NoSpace`] of either.
    fn bring(&mut self, dump: &Dump, destination: &Destination<'_>) -> Result<()> {
        let Some(copy) = self.copy(dump, destination)? else { return Ok(()) };
        match self.publish(dump, copy, destination) {
            // Whatever it is, what is wrong with the destination is not the dump's fault.
            Err(error) if error.kind() != ErrorKind::NoSpace => self.taken.fail(&dump.candidate.place, error),
            other => return other,
        }
        Ok(())
    }

    /// Copies a dump out of the image; nothing when it may still be written.
    fn copy<'d>(&mut self, dump: &Dump, destination: &'d Destination<'_>) -> Result<Option<Copy<'d>>> {
        let place = &dump.candidate.place;
        let draft = draft(destination)?;
        let size = self.files.copy(place, dump.size, draft.file(), self.bounds.deadline)?;
        let truncated = match completeness(draft.file()) {
            Ok(completeness) => completeness.reason(),
            Err(error) if error.kind() == ErrorKind::Input => Some(error.report()),
            Err(error) => return Err(error),
        };
        if let (Some(reason), true) = (&truncated, self.bounds.is_mounted) {
            self.taken.leave(place, reason);
            return Ok(None);
        }
        let meta = self.copy_meta(dump, destination)?;
        Ok(Some(Copy { draft, meta, size, truncated }))
    }

    fn publish(&mut self, dump: &Dump, copy: Copy<'_>, destination: &Destination<'_>) -> Result<()> {
        let (job, place) = (self.job, &dump.candidate.place);
        let Copy { draft, meta, size, truncated } = copy;
        let name = name(&job.admin.naming, former_name(&place.name), job.owner, dump.modified.seconds);
        let Dump { number, not_kept, modified: time, .. } = *dump;
        let marks = Marks { container: job.owner.container, time, number, not_kept };
        let mut parcel = destination.parcel(draft, meta, job.owner, time)?;
        parcel.is_known = dump.is_known;
        let Some(published) = destination.publish(parcel, &name, marks)? else {
            if !dump.is_known {
                return Err(destination.has_no_name_for(&name));
            }
            self.taken.skip(place, "it was harvested before".to_owned());
            return Ok(());
        };
        self.published.add(&dump.candidate, job.destination);
        let path = destination.path().join(published.name);
        self.not_kept += if published.already { 0 } else { not_kept };
        let harvested = Harvested { path, size, truncated, already: published.already };
        if !dump.is_known {
            self.left = self.left.saturating_sub(size);
        }
        self.taken.dumps.push(harvested);
        if self.files.removes() {
            destination.sync()?;
            self.published.synced();
            self.taken.dumps.last().inspect(|harvested| log_dump(harvested, job.owner.container));
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
        let draft = draft(destination)?;
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

/// A draft. That the destination has gone, or is not what it was, must not be taken for the same of the dump.
fn draft<'d>(destination: &'d Destination<'_>) -> Result<Draft<'d>> {
    destination.draft().map_err(|error| match error.kind() {
        ErrorKind::NoSpace => error,
        _ => error.of_kind(ErrorKind::System),
    })
}
