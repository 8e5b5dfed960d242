//! Whether the app has written a minidump of this crash itself, with Breakpad or Crashpad, which then let the kernel end
//! it. Of one crash there is one dump, and theirs is better: they may have added what they know of the app.
//!
//! It is looked for in the images of the container, mounted once more for us alone, as at a harvest, and then on the host,
//! where a harvest may have just brought it. The container's own paths are never opened.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};

use crate::deadline::Deadline;
use crate::dump::Completeness;
use crate::dump::completeness;
use crate::dump::minidump::Minidump;
use crate::error::{Result, Tried};
use crate::harvest::marks;
use crate::hook::record::{Prepared, Record};
use crate::image::identity::Identity;
use crate::image::loopback::LoopDevice;
use crate::image::mount::label::MountLabel;
use crate::image::read::files::{Candidate, ImageFiles, Kind};
use crate::image::read::kernel::Mounted;

/// How long ago a dump of the crash at hand can have been written; a loaded box is slow. It is not older than the process:
/// in a container with nested pid namespaces, an earlier one may have had the same number.
const MAX_AGE: Duration = Duration::from_secs(120);
/// The granularity of the times of files, and of what is compared with them.
const TICK: Duration = Duration::from_secs(1);
/// The longest dump that is looked into, in bytes, and how many are.
const MAX_SIZE: u64 = 8 << 20;
const MAX_LOOKED_INTO: usize = 8;
/// How many files of a destination are looked at.
const MAX_ENTRIES: usize = 10_000;
/// How long looking may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Whether one of the container's images, or its destination, has a whole minidump of a crash of `thread` (its id inside)
/// that was written just now, by a process of this age. What cannot be read has none.
#[must_use]
pub fn exists(record: &Record, thread: u32, process_age: Option<Duration>) -> bool {
    let max_age = process_age.map_or(MAX_AGE, |age| MAX_AGE.min(age + TICK));
    let deadline = Deadline::after(TIMEOUT);
    // In this order: a harvest publishes a dump before it removes it from the image.
    let is_in_an_image = record.paths.iter().any(|prepared| {
        has(prepared, thread, max_age, deadline).unwrap_or_else(|error| {
            log::warn!("container {}: cannot look for the app's own minidump: {}", record.id, error.report());
            false
        })
    });
    let mut plans = record.paths.iter().map(|prepared| &prepared.plan);
    is_in_an_image || plans.any(|plan| is_in(&plan.host_destination, &record.id, thread, max_age))
}

/// Whether such a dump of container `id` was harvested into `dir`.
fn is_in(dir: &Path, id: &str, thread: u32, max_age: Duration) -> bool {
    let now = SystemTime::now();
    let mut fresh = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten().take(MAX_ENTRIES) {
        let Ok(metadata) = entry.metadata() else { continue };
        let published = metadata.modified().unwrap_or(UNIX_EPOCH);
        let age = now.duration_since(published).unwrap_or_default();
        if metadata.is_file() && metadata.len() <= MAX_SIZE && age <= max_age {
            fresh.push((published, entry.path()));
        }
    }
    fresh.sort_by(|one, other| other.cmp(one));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |path: &PathBuf| rustix::fs::open(path, flags, Mode::empty()).ok().map(File::from);
    let is_theirs =
        |file: &File| marks::container_of(file).as_deref() == Some(id.as_bytes()) && !marks::is_written(file);
    let theirs = fresh.iter().filter_map(|(_, path)| open(path)).filter(is_theirs);
    theirs.take(MAX_LOOKED_INTO).any(|file| is_whole_of_thread(&file, thread).unwrap_or(false))
}

fn has(prepared: &Prepared, thread: u32, max_age: Duration, deadline: Deadline) -> Result<bool> {
    let path = prepared.place();
    let image = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.tried(|| format!("cannot open {}", path.display()))?,
    };
    let is_ours = match prepared.identity {
        Some(identity) => Identity::of(&image)?.is_same(&identity),
        None => false,
    };
    let Some(device) = LoopDevice::of(&image)?.filter(|_| is_ours) else { return Ok(false) };
    let mut mounted = Mounted::open_pinned(device, MountLabel::of(&image).as_ref())?;
    let mut fresh: Vec<Candidate> = mounted.list(deadline)?.candidates;
    fresh.retain(|candidate| is_fresh(candidate.kind, max_age));
    for candidate in fresh.iter().take(MAX_LOOKED_INTO) {
        // One that the app removes or exchanges meanwhile is not whole.
        if is_of_thread(&mut mounted, candidate, thread, deadline).unwrap_or(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_fresh(kind: Kind, max_age: Duration) -> bool {
    let Kind::Regular { size, modified } = kind else { return false };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = u64::try_from(modified.seconds).unwrap_or(0);
    let age = now.as_secs().abs_diff(written);
    size <= MAX_SIZE && age <= max_age.as_secs()
}

fn is_of_thread(
    mounted: &mut Mounted,
    candidate: &Candidate,
    thread: u32,
    deadline: Deadline,
) -> Result<bool> {
    let copy = rustix::fs::memfd_create("dump", rustix::fs::MemfdFlags::CLOEXEC);
    let copy: File = copy.tried(|| "cannot make a file in memory")?.into();
    mounted.copy(&candidate.place, MAX_SIZE, &copy, deadline)?;
    is_whole_of_thread(&copy, thread)
}

fn is_whole_of_thread(file: &File, thread: u32) -> Result<bool> {
    let dump = Minidump::open(file)?;
    let is_of = dump.exception()?.is_some_and(|exception| exception.thread == thread);
    Ok(is_of && completeness::of(&dump)? == Completeness::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::read::files::Time;

    #[test]
    fn a_dump_that_is_older_than_the_process_is_of_another_crash() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let written = |ago: u64| Kind::Regular {
            size: 1000,
            modified: Time { seconds: i64::try_from(now - ago).unwrap(), nanoseconds: 0 },
        };
        let young = Duration::from_secs(5);
        assert!(is_fresh(written(3), young) && !is_fresh(written(30), young));
        assert!(is_fresh(written(30), MAX_AGE) && !is_fresh(written(200), MAX_AGE));
    }
}
