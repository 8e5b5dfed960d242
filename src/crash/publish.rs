//! The minidump goes to the container's destination on the host, by the same way as a harvested one.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::coredump::notes::Process;
use crate::dump::write::{Contents, write};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::Owner;
use crate::harvest::crash_loop;
use crate::harvest::destination::Destination;
use crate::harvest::marks::{Marks, mark_written};
use crate::harvest::name::name;
use crate::harvest::{Harvested, retention};
use crate::hook::record::Record;
use crate::host;
use crate::image::read::files::Time;
use crate::oci::subject::Subject;
use crate::settings::admin::{Admin, Retention};
use crate::settings::burst::Burst;

/// Opens the destination of the container.
pub(super) fn destination<'a>(record: &Record, admin: &'a Admin) -> Result<Destination<'a>> {
    // Where the first directory could not be prepared, its destination serves all the same.
    let plans = record.paths.iter().map(|prepared| &prepared.plan).chain(&record.left);
    let Some(plan) = plans.into_iter().next() else {
        return Err(Error::new(ErrorKind::Config, "its record names no destination"));
    };
    Destination::open(&plan.host_destination, admin).map_err(|error| {
        error.advise(
            "put this right before the next crash; this one leaves no dump, since the kernel does not wait",
        )
    })
}

/// How many dumps of a crash loop are kept: a container may crash as often as it wants, also where nothing is set.
pub(super) fn burst(admin: &Admin) -> Burst {
    admin.retention.burst.unwrap_or(Burst::OF_CORES)
}

/// Writes and publishes the dump. The limits of the destination are applied before and after.
pub(super) fn publish(
    contents: &Contents,
    process: &Process,
    record: &Record,
    destination: &Destination<'_>,
) -> Result<()> {
    let admin = destination.admin();
    let bytes = write(contents);
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    make_room(destination, admin, size)?;
    let draft = destination.draft()?;
    draft.file().write_all(&bytes).tried(|| format!("cannot write to {}", destination.path().display()))?;
    mark_written(draft.file());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time =
        Time { seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanoseconds: now.subsec_nanos() };
    let known = record.subject.clone().unwrap_or_else(|| Subject::of_bundle(&record.bundle));
    let owner =
        Owner { container: Some(&record.id), app_state: record.app_state.as_deref(), subject: Some(&known) };
    let mut raw = process.name.clone();
    raw.extend_from_slice(format!("-{}-{}.dmp", now.as_secs(), process.id).as_bytes());
    let name = name(&admin.naming, &raw, owner, time.seconds);
    let number = crash_loop::next_number(destination.path(), &record.id)?;
    let marks = Marks { container: owner.container, time, number, not_kept: 0 };
    let parcel = destination.parcel(draft, None, owner, time)?;
    let published = destination.publish(parcel, &name, marks)?;
    let published = published.ok_or_else(|| destination.has_no_name_for(&name))?;
    destination.sync()?;
    let path = destination.path().join(published.name);
    log::info!("wrote a minidump of container {}: {} ({size} bytes)", record.id, path.display());
    let dump = Harvested { path, size, truncated: None, already: false };
    retain(destination, admin, &[dump]);
    destination.remove_orphans();
    Ok(())
}

/// Removes old dumps first, and refuses to write where too little would stay free.
fn make_room(destination: &Destination<'_>, admin: &Admin, size: u64) -> Result<()> {
    retain(destination, admin, &[]);
    let free = host::free_bytes(destination.path())?.unwrap_or(u64::MAX);
    if free < admin.retention.keep_free.saturating_add(size) {
        let what = format!("{} has {free} bytes free, too few for a minidump", destination.path().display());
        return Err(Error::new(ErrorKind::NoSpace, what).advise("make room, or lower keep_free"));
    }
    Ok(())
}

fn retain(destination: &Destination<'_>, admin: &Admin, fresh: &[Harvested]) {
    let limits = Retention { burst: Some(burst(admin)), ..admin.retention };
    match retention::apply(destination.path(), limits, fresh) {
        Ok(removed) => {
            for path in removed {
                log::info!("removed the old dump {} to stay within the limits", path.display());
            }
        }
        Err(error) => log::warn!("{}", error.report()),
    }
}
