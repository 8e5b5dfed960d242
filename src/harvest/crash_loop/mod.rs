//! A container that crashes in a loop: its first dumps and its newest are kept, and the others counted.
//!
//! Dumps are ordered by a number that each gets, one more than the last of its container: clocks jump. The count of those
//! that were not kept stands at the next one that was, so that it goes when that goes. Noted before a dump is removed, it
//! may be one too high after a power cut, never too low.
//!
//! - `surplus`: which crashes are too many.
//! - [`begun`]: the mark of a crash loop, by which the daemon learns of it.

pub mod begun;
mod surplus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::harvest::crash_loop::surplus::{Crash, surplus};
use crate::harvest::destination::lock;
use crate::harvest::marks;
use crate::harvest::stock::{Dump, ours};
use crate::harvest::taken::Harvested;
use crate::image::read::files::Time;
use crate::log::escape;
use crate::notify;
use crate::settings::admin::Retention;

/// What becomes of a dump that is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is published, with these marks.
    Kept {
        /// Its place among the dumps of the container.
        number: u64,
        /// How many before it are not kept, and are counted nowhere yet.
        not_kept: u64,
    },
    /// It is counted only.
    NotKept,
}

/// Decides about dumps of `container` that are to be published, given by time and size, the oldest first. One that is in
/// `dir` already, by the same time and size, is not another.
///
/// # Errors
/// The kernel's, when the directory cannot be listed.
pub fn plan(dir: &Path, container: &str, new: &[(Time, u64)], limits: Retention) -> Result<Vec<Fate>> {
    let mut earlier = ours(dir, &[])?.dumps;
    earlier.retain(|dump| dump.container == container.as_bytes());
    let is_same = |dump: &Dump, new: &(Time, u64)| (dump.age.time, dump.size) == *new;
    let last_published = new.iter().rposition(|new| earlier.iter().any(|dump| is_same(dump, new)));
    earlier.retain(|dump| !new.iter().any(|new| is_same(dump, new)));
    sort(&mut earlier);
    let before = earlier.last().map_or(0, |dump| dump.number);
    let numbers = (1..).map(|n| before.saturating_add(n));
    let mut crashes: Vec<Crash> = earlier.iter().map(Crash::of).collect();
    crashes.extend(new.iter().zip(numbers).map(|((time, _), number)| Crash { number, time: time.seconds }));
    let surplus = surplus(&crashes, limits).split_off(earlier.len());
    let mut not_kept = 0;
    let fate = |(n, is_surplus): (usize, bool)| {
        if is_surplus {
            // What comes before one that is there was counted with that.
            not_kept += u64::from(last_published.is_none_or(|last| n > last));
            return Fate::NotKept;
        }
        let number = crashes.get(earlier.len() + n).map_or(0, |crash| crash.number);
        Fate::Kept { number, not_kept: std::mem::take(&mut not_kept) }
    };
    Ok(surplus.into_iter().enumerate().map(fate).collect())
}

/// The number that the next dump of `container` gets.
///
/// # Errors
/// The kernel's, when the directory cannot be listed.
pub fn next_number(dir: &Path, container: &str) -> Result<u64> {
    let dumps = ours(dir, &[])?.dumps;
    let of_container = dumps.iter().filter(|dump| dump.container == container.as_bytes());
    Ok(of_container.map(|dump| dump.number).max().unwrap_or(0).saturating_add(1))
}

/// Removes from `dir` what a container has too much, and notes the count. Gives the paths removed.
///
/// # Errors
/// The kernel's, when the directory cannot be listed.
pub(super) fn apply(dir: &Path, limits: Retention, fresh: &[Harvested]) -> Result<Vec<PathBuf>> {
    let Some(_lock) = lock(dir)? else {
        log::warn!("another program works on {}; dumps of crash loops stay there for now", dir.display());
        return Ok(Vec::new());
    };
    let mut by_container: BTreeMap<Vec<u8>, Vec<Dump>> = BTreeMap::new();
    for dump in ours(dir, fresh)?.dumps.into_iter().filter(|dump| !dump.container.is_empty()) {
        by_container.entry(dump.container.clone()).or_default().push(dump);
    }
    let mut all = Vec::new();
    for (container, mut dumps) in by_container {
        sort(&mut dumps);
        let removed = thin_out(&dumps, limits);
        say(&String::from_utf8_lossy(&container), removed.len());
        if let Some(burst) = limits.burst {
            let left = dumps.iter().filter(|dump| !removed.contains(&dump.path));
            begun::mark(&left.collect::<Vec<_>>(), burst);
        }
        all.extend(removed);
    }
    Ok(all)
}

/// Says how many dumps of a container were not kept.
pub fn say(container: &str, count: usize) {
    if count > 0 {
        log::warn!("container {} crashes too often: {count} more not kept", escape(container));
        notify::not_kept(container, count);
    }
}

/// Removes what is too much of the dumps of one container, which are sorted.
fn thin_out(dumps: &[Dump], limits: Retention) -> Vec<PathBuf> {
    let crashes: Vec<Crash> = dumps.iter().map(Crash::of).collect();
    let (mut removed, mut waiting) = (Vec::new(), Vec::new());
    for (dump, is_surplus) in dumps.iter().zip(surplus(&crashes, limits)) {
        if is_surplus {
            waiting.push(dump);
            continue;
        }
        let mut count = marks::not_kept(&dump.path);
        for gone in waiting.drain(..) {
            match remove(gone, &dump.path, &mut count) {
                Ok(true) => removed.push(gone.path.clone()),
                Ok(false) => {}
                Err(error) => log::warn!("cannot remove the dump {}: {error}", gone.path.display()),
            }
        }
    }
    removed
}

/// Removes a dump, and counts it at the `next` one, whose count is `count`. Gives whether it was there.
fn remove(gone: &Dump, next: &Path, count: &mut u64) -> std::io::Result<bool> {
    let with_it = count.saturating_add(marks::not_kept(&gone.path)).saturating_add(1);
    // A full disk may take the note only when the dump has gone.
    let is_noted = marks::set_not_kept(next, with_it).is_ok();
    let removed = std::fs::remove_file(&gone.path);
    if removed.is_ok() {
        *count = with_it;
    }
    // One that the uploader took meanwhile was kept after all.
    if removed.is_ok() != is_noted
        && let Err(error) = marks::set_not_kept(next, *count)
    {
        log::warn!("cannot count the dumps that were not kept at {}: {error}", next.display());
    }
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        other => Ok(other.is_ok()),
    }
}

/// Dumps of one container in their order. Those without a number are of a time without limits, and the oldest.
fn sort(dumps: &mut [Dump]) {
    dumps.sort_by(|a, b| (a.number, a.age).cmp(&(b.number, b.age)).then_with(|| a.path.cmp(&b.path)));
}
