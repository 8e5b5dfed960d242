//! Counting what waits: before anything is handed over, and under a lock of its own, so that a program that hangs keeps no
//! crash from being counted.

use crate::error::Result;
use crate::notify::entry::Entry;
use crate::notify::spool::Spool;
use crate::notify::{counts, exposition};
use crate::settings::admin::Admin;

/// Counts every entry that is not counted. One that has nothing else left to do goes. What fails is logged, and counted by
/// the next worker.
pub(super) fn count_all(admin: &Admin, spool: &Spool) {
    if admin.notify.metrics.is_none() {
        return;
    }
    if let Err(error) = try_count_all(admin, spool) {
        log::warn!("a crash is not counted yet: {}", error.report());
    }
}

fn try_count_all(admin: &Admin, spool: &Spool) -> Result<()> {
    let _lock = spool.lock_counts()?;
    exposition::show_again(admin);
    for name in spool.names()? {
        // The worker removes what cannot be understood.
        let Ok(mut entry) = spool.read(&name) else { continue };
        if entry.counted {
            continue;
        }
        // Shown before that is noted: what a worker that is killed has not shown, the next one does.
        exposition::show(admin, &counts::count(admin, &name, &entry)?);
        entry.counted = true;
        let noted =
            if entry.is_done(&admin.notify) { spool.remove(&name) } else { spool.write(&name, &entry) };
        noted.unwrap_or_else(|error| log::warn!("{}", error.report()));
    }
    Ok(())
}

/// Counts what has found no room in the spool. Gives whether it is counted.
pub(super) fn count_now(admin: &Admin, entry: &Entry) -> bool {
    let count = || -> Result<()> {
        let _lock = Spool::of(admin).lock_counts()?;
        exposition::show(admin, &counts::count_without_entry(admin, entry)?);
        Ok(())
    };
    admin.notify.metrics.is_some()
        && count().inspect_err(|error| log::warn!("a crash is not counted: {}", error.report())).is_ok()
}
