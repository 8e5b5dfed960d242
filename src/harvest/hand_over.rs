//! What is published is left for its hand-over, where that is configured.

use std::fs::File;

use crate::dump::show::report::Report;
use crate::harvest::crash_record;
use crate::harvest::destination::Destination;
use crate::harvest::job::Owner;
use crate::harvest::marks;
use crate::image::read::files::Time;
use crate::notify::entry::Dump;
use crate::notify::start;

/// What is known of a dump before it has its name.
pub(super) fn known(dump: &File, owner: Owner<'_>, time: Time) -> Dump {
    let report = Report::read(dump).ok();
    let size = dump.metadata().map_or(0, |metadata| metadata.len());
    Dump {
        container: owner.container.map(str::to_owned),
        name: owner.subject.and_then(|subject| subject.name.clone()),
        time: report.as_ref().and_then(|report| report.time.clone()).or_else(|| crash_record::rfc3339(time)),
        program: report.and_then(|report| Some(report.program?.name)),
        size,
        ..Dump::default()
    }
}

impl Destination<'_> {
    /// Leaves a dump that has its name for its hand-over, given whether it had that already, and whether it has a record. A
    /// harvest that is done again, after a kill or a power cut, does so only if the first one has not.
    pub(super) fn hand_over(&self, known: Dump, name: &str, (already, has_record): (bool, bool)) {
        let path = self.path().join(name);
        if already && marks::is_handed_over(&path) {
            return;
        }
        let record = has_record.then(|| path.with_file_name(crash_record::file_name(name)));
        if start::hand_over(self.admin(), Dump { path: path.clone(), record, ..known }) {
            marks::mark_handed_over(&path);
        }
    }
}
