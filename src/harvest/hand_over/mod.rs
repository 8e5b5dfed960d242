//! What is published is left for its hand-over, where that is configured.

pub mod waiting;

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use crate::dump::show::report::Report;
use crate::harvest::crash_record;
use crate::harvest::destination::Destination;
use crate::harvest::job::Owner;
use crate::image::known;
use crate::image::read::files::Time;
use crate::notify::entry::Dump;
use crate::notify::spool::Spool;
use crate::notify::{mark, start};
use crate::settings::admin::Admin;

/// What is known of a dump before it has its name.
pub(super) fn describe(dump: &File, owner: Owner<'_>, time: Time) -> Dump {
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
    /// Marks a dump that gets its name next as one to be handed over, whatever happens after that, and remembers where
    /// `sweep` looks for it.
    pub(super) fn promise(&self, dump: &File) {
        mark::begin(dump);
        if let Err(error) = known::remember(&self.admin().known_destinations(), self.path()) {
            log::debug!("{}", error.report());
        }
    }

    /// Leaves a dump called `name` for its hand-over: the one whose file this is, or one that had the name already. A harvest
    /// that is done again, after a kill or a power cut, does so only if the first one has not.
    pub(super) fn hand_over(&self, known: Dump, name: &str, draft: Option<&File>, has_record: bool) {
        let path = self.path().join(name);
        let record = has_record.then(|| path.with_file_name(crash_record::file_name(name)));
        let dump = Dump { path, record, ..known };
        if let Some(draft) = draft {
            leave(self.admin(), dump, draft);
            return;
        }
        // Another process leaves it.
        let Some(file) = mark::lock(&dump.path) else { return };
        let is_left = mark::is_left(&file) || has_entry(self.admin(), &dump, &file);
        if is_left {
            mark::end(&file);
        } else {
            leave(self.admin(), dump, &file);
        }
    }
}

/// Leaves a dump for its hand-over, whose file is locked; whether that could be done.
pub(super) fn leave(admin: &Admin, dump: Dump, file: &File) -> bool {
    let path = dump.path.clone();
    let left = start::hand_over(admin, dump, file);
    left.inspect_err(|error| log::warn!("{} is not handed over yet: {}", path.display(), error.report()))
        .is_ok()
}

/// Whether a hook that was killed has left an entry for a dump.
fn has_entry(admin: &Admin, dump: &Dump, file: &File) -> bool {
    let inode = file.metadata().map_or(0, |metadata| metadata.ino());
    Spool::of(admin).dumps().is_ok_and(|waiting| waiting.contains(&(dump.path.clone(), inode)))
}
