//! What this process has left for the worker: whether there is an entry, and counts that are not in the spool yet.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::error::Result;
use crate::notify::entry::Entry;
use crate::notify::spool::Spool;
use crate::notify::tally;
use crate::settings::admin::Admin;

/// The most containers whose counts wait.
const MAX_CONTAINERS: usize = 1000;

struct Pending {
    has_entry: bool,
    not_kept: BTreeMap<String, u64>,
}

static PENDING: Mutex<Pending> = Mutex::new(Pending { has_entry: false, not_kept: BTreeMap::new() });

/// Leaves an entry.
///
/// # Errors
/// As [`Spool::add`].
pub(super) fn add(admin: &Admin, entry: &Entry) -> Result<()> {
    Spool::of(admin).add(entry)?;
    if let Ok(mut pending) = PENDING.lock() {
        pending.has_entry = true;
    }
    Ok(())
}

/// Counts dumps of a container that were not kept. They are in the spool with [`super::start::finish`].
pub fn not_kept(container: &str, count: usize) {
    let Ok(mut pending) = PENDING.lock() else { return };
    if pending.not_kept.len() < MAX_CONTAINERS || pending.not_kept.contains_key(container) {
        let counted = pending.not_kept.entry(container.to_owned()).or_default();
        *counted = counted.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Writes the counts into the spool. Gives whether this process has left anything there since it was asked last.
pub(super) fn flush(admin: &Admin) -> bool {
    let Ok(mut pending) = PENDING.lock() else { return false };
    let counts = std::mem::take(&mut pending.not_kept);
    if admin.notify.metrics.is_some() {
        for (container, count) in counts {
            let entry = Entry::count(&container, count);
            match Spool::of(admin).add(&entry) {
                Ok(()) => pending.has_entry = true,
                Err(error) => {
                    log::debug!("crashes are counted at once: {}", error.report());
                    let _logged = tally::count_now(admin, &entry);
                }
            }
        }
    }
    std::mem::take(&mut pending.has_entry)
}
