//! What is kept in a destination when the administrator's limits are passed. The oldest dumps go, of the container that
//! has the largest share: one that crashes all the time must not drive out the dumps of all others. Never the newest
//! dump goes, and never a file that we did not harvest.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::harvest::destination::{Destination, lock};
use crate::harvest::stock::{Dump, Ours, ours};
use crate::harvest::taken::Harvested;
use crate::harvest::{crash_loop, crash_record};
use crate::host;
use crate::settings::admin::Retention;

/// Removes what is too much in `dir`; `fresh` are the dumps that were harvested just now. Gives the paths removed.
///
/// # Errors
/// The kernel's, when the directory cannot be listed; a dump that cannot be removed is passed over with a warning.
pub fn apply(dir: &Path, limits: Retention, fresh: &[Harvested]) -> Result<Vec<PathBuf>> {
    if limits == Retention::default() || is_surely_within(dir, limits) {
        return Ok(Vec::new());
    }
    let mut removed =
        if limits.is_per_container() { crash_loop::apply(dir, limits, fresh)? } else { Vec::new() };
    removed.extend(remove_excess(dir, limits, fresh)?);
    crash_record::file::remove_orphans(dir)?;
    Ok(removed)
}

fn remove_excess(dir: &Path, limits: Retention, fresh: &[Harvested]) -> Result<Vec<PathBuf>> {
    // Of two hooks at a time, each would take the other's dump for an old one.
    let Some(_lock) = lock(dir)? else {
        log::warn!("another program works on {}; old dumps stay there for now", dir.display());
        return Ok(Vec::new());
    };
    let free = host::free_bytes(dir)?.unwrap_or(u64::MAX);
    let Ours { dumps, metas } = ours(dir, fresh)?;
    let mut removed = Vec::new();
    for dump in excess(dumps, limits, free) {
        match std::fs::remove_file(&dump.path) {
            Ok(()) => removed.push(dump.path),
            // The uploader was faster, or another harvest.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("cannot remove the old dump {}: {error}", dump.path.display()),
        }
    }
    remove_left_alone(&metas);
    Ok(removed)
}

/// Removes metadata whose dump is gone: we have removed it, or an uploader has.
fn remove_left_alone(metas: &[PathBuf]) {
    for meta in metas {
        let is_alone = std::fs::symlink_metadata(meta.with_extension("dmp"))
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if is_alone && let Err(error) = std::fs::remove_file(meta) {
            log::warn!("cannot remove {}: {error}", meta.display());
        }
    }
}

/// Whether the directory as a whole is below the only limit there is, so that its files need no look.
fn is_surely_within(dir: &Path, limits: Retention) -> bool {
    let is_only_limit = limits.max_count == 0 && limits.keep_free == 0 && !limits.is_per_container();
    // A file may vanish while they are added up; then each gets its look.
    is_only_limit && fs_extra::dir::get_size(dir).is_ok_and(|size| size <= limits.max_bytes)
}

/// What a container has in a destination.
#[derive(Debug, Default)]
struct Share {
    count: u64,
    bytes: u64,
    /// The dumps that may go, the oldest first.
    removable: VecDeque<Dump>,
}

/// The dumps that must go.
fn excess(mut dumps: Vec<Dump>, limits: Retention, mut free: u64) -> Vec<Dump> {
    dumps.sort_by(|a, b| a.age.cmp(&b.age).then_with(|| a.path.cmp(&b.path)));
    let mut count = u64::try_from(dumps.len()).unwrap_or(u64::MAX);
    let mut bytes = dumps.iter().fold(0_u64, |sum, dump| sum.saturating_add(dump.size));
    let newest = dumps.len().saturating_sub(1);
    let mut shares: BTreeMap<Vec<u8>, Share> = BTreeMap::new();
    for (n, dump) in dumps.into_iter().enumerate() {
        let share = shares.entry(dump.container.clone()).or_default();
        share.count += 1;
        share.bytes = share.bytes.saturating_add(dump.size);
        if n != newest {
            share.removable.push_back(dump);
        }
    }
    let mut gone = Vec::new();
    loop {
        let over = |limit: u64, value: u64| limit != 0 && value > limit;
        let is_too_many = over(limits.max_count, count);
        if !is_too_many && !over(limits.max_bytes, bytes) && free >= limits.keep_free {
            return gone;
        }
        let Some(dump) = next(&mut shares, is_too_many) else { return gone };
        count -= 1;
        bytes = bytes.saturating_sub(dump.size);
        free = free.saturating_add(dump.allocated);
        gone.push(dump);
    }
}

/// Takes the oldest dump of the container that has the most of what is too much: dumps, or bytes.
fn next(shares: &mut BTreeMap<Vec<u8>, Share>, by_count: bool) -> Option<Dump> {
    let oldest = |share: &Share| share.removable.front().map(|dump| dump.age);
    let used = |share: &Share| if by_count { share.count } else { share.bytes };
    let share = shares
        .values_mut()
        .filter(|share| !share.removable.is_empty())
        .max_by(|a, b| used(a).cmp(&used(b)).then_with(|| oldest(b).cmp(&oldest(a))))?;
    let dump = share.removable.pop_front()?;
    share.count -= 1;
    share.bytes = share.bytes.saturating_sub(dump.size);
    Some(dump)
}

/// Applies the limits. A dump that cannot be removed must not make the harvest fail. Gives how many were removed.
pub(super) fn retain(destination: &Destination<'_>, limits: Retention, fresh: &[Harvested]) -> usize {
    if destination.is_unmarked() && limits != Retention::default() {
        log::warn!(
            "there is no retention in {}: its file system keeps no extended attributes",
            destination.path().display()
        );
        return 0;
    }
    match apply(destination.path(), limits, fresh) {
        Ok(removed) => {
            for path in &removed {
                log::info!("removed the old dump {} to stay within the limits", path.display());
            }
            removed.len()
        }
        Err(error) => {
            log::warn!("{}", error.report());
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harvest::stock::Age;
    use crate::image::read::files::Time;

    /// A dump of 100 bytes, by the name of its container and its time: `a3`. A `!` marks a time in the future, a `+`
    /// one that was harvested just now, a `*` ten times the size.
    fn dump(word: &str) -> Dump {
        let marks = word.trim_start_matches(|c: char| c.is_alphanumeric());
        let plain = word.trim_end_matches(['!', '+', '*']);
        let (container, seconds) = plain.split_at(1);
        let time = Time { seconds: seconds.parse().unwrap(), nanoseconds: 0 };
        let size = if marks.contains('*') { 1000 } else { 100 };
        Dump {
            age: Age { is_fresh: marks.contains('+'), is_credible: !marks.contains('!'), time },
            path: format!("/{plain}.dmp").into(),
            container: container.into(),
            number: 0,
            size,
            allocated: size,
        }
    }

    /// Which of `dumps` go, in this order, when there are 1000 bytes free.
    fn gone(dumps: &str, (max_count, max_bytes, keep_free): (u64, u64, u64)) -> String {
        let dumps = dumps.split_whitespace().map(dump).collect();
        let gone = excess(dumps, Retention { max_count, max_bytes, keep_free, ..Retention::default() }, 1000);
        let names = gone.iter().map(|dump| dump.path.file_stem().unwrap().to_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_never() {
        let cases = [
            ((0, 0, 0), ""),
            ((5, 500, 1000), ""),
            ((3, 0, 0), "a0 a1"),
            ((0, 250, 0), "a0 a1 a2"),
            ((0, 0, 1200), "a0 a1"),
            ((4, 150, 0), "a0 a1 a2 a3"),
            ((1, 1, 9999), "a0 a1 a2 a3"),
        ];
        for (limits, expected) in cases {
            assert_eq!(gone("a3 a1 a4 a0 a2", limits), expected, "{limits:?}");
        }
        assert_eq!(gone("", (1, 1, 1)), "");
    }

    #[test]
    fn the_container_with_the_most_loses_its_oldest() {
        let cases = [
            // One that crashes all the time loses its own, though others are older.
            ("b1 c2 a3 a4 a5 a6", (4, 0, 0), "a3 a4"),
            ("b1 c2 a3 a4 a5 a6", (3, 0, 0), "a3 a4 a5"),
            // Of two with as many, the one with the older dump.
            ("b1 b4 a2 a3", (3, 0, 0), "b1"),
            ("b1 b4 a2 a3", (2, 0, 0), "b1 a2"),
            ("b2 a1 c3", (1, 0, 0), "a1 b2"),
            // Bytes count where bytes are too many, also for free space.
            ("b1 b2 b3 a4* c5", (0, 1300, 0), "a4"),
            ("b1 b2 b3 a4* c5", (4, 0, 0), "b1"),
            ("b1 b2 b3 a4* c5", (0, 0, 1500), "a4"),
            // The newest of all stays, also when it is the largest.
            ("b1 b2 a3*", (0, 1000, 0), "b1 b2"),
        ];
        for (dumps, limits, expected) in cases {
            assert_eq!(gone(dumps, limits), expected, "{dumps} {limits:?}");
        }
    }

    #[test]
    fn clocks_and_containers_that_are_wrong_cost_no_new_dump() {
        let cases = [
            // A clock that is behind: what was harvested just now looks older than all.
            ("a0+ a5 a6 a7", (3, 0, 0), "a5"),
            ("a0+ a5 a6 a7", (1, 0, 0), "a5 a6 a7"),
            ("a0+ b5 c6", (2, 0, 0), "b5"),
            // Times in the future are the oldest, among each other in their order.
            ("a9! a5 a8! a6", (2, 0, 0), "a8 a9"),
            ("a9!+ a5 a6", (1, 0, 0), "a5 a6"),
            // A container that leaves many at once does not drive out the others.
            ("a1+ a2+ a3+ a4+ b0", (3, 0, 0), "a1 a2"),
        ];
        for (dumps, limits, expected) in cases {
            assert_eq!(gone(dumps, limits), expected, "{dumps} {limits:?}");
        }
        for time in [i64::MIN, -1, 0, i64::MAX] {
            let dumps = vec![dump(&format!("a{time}")), dump(&format!("b{}", i64::MAX))];
            assert_eq!(excess(dumps, Retention { max_count: 1, ..Retention::default() }, 0).len(), 1);
        }
    }
}
