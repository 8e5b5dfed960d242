//! What is published of a dump: with its metadata, its crash record, and what is known of it for its hand-over.

use crate::error::Result;
use crate::harvest::crash_record::CrashRecord;
use crate::harvest::destination::{Destination, Draft};
use crate::harvest::hand_over;
use crate::harvest::job::Owner;
use crate::image::read::files::Time;
use crate::notify::entry::Dump;
use crate::settings::records::CrashRecords;

/// A dump that is to be published, with its metadata, if it has any.
#[derive(Debug)]
pub struct Parcel<'d> {
    /// The dump.
    pub dump: Draft<'d>,
    /// What Crashpad noted about it.
    pub meta: Option<Draft<'d>>,
    /// Its crash record, if one is kept in a file.
    pub record: Option<Vec<u8>>,
    /// The same for an extended attribute of the dump, if it is wanted there.
    pub attribute: Option<Vec<u8>>,
    /// What is known of it, if it is to be handed over.
    pub hand_over: Option<Dump>,
    /// Whether it was published before: it is not again.
    pub is_known: bool,
}

impl Destination<'_> {
    /// What is to be published of a dump that is whole in its draft: this is where crash records are made.
    ///
    /// # Errors
    /// The kernel's, when the dump cannot be read.
    pub fn parcel<'d>(
        &self,
        dump: Draft<'d>,
        meta: Option<Draft<'d>>,
        owner: Owner<'_>,
        time: Time,
    ) -> Result<Parcel<'d>> {
        let place = self.admin().crash_records;
        let known = place.is_on().then(|| CrashRecord::of(&dump.file, owner, time)).transpose()?;
        let record = known.as_ref().map(CrashRecord::to_bytes).transpose()?;
        let attribute = known.filter(|_| place == CrashRecords::Attribute);
        let attribute = attribute.as_ref().map(CrashRecord::to_attribute).transpose()?;
        let hand_over = self.admin().notify.is_on().then(|| hand_over::describe(&dump.file, owner, time));
        Ok(Parcel { dump, meta, record, attribute, hand_over, is_known: false })
    }
}
