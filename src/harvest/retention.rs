//! What is kept in a destination: the oldest dumps go when the administrator's limits are passed, never the newest,
//! and never a file that we did not harvest.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, Tried};
use crate::harvest::destination::CONTAINER_ATTRIBUTE;
use crate::host;
use crate::settings::admin::Retention;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Dump {
    /// When it was harvested: its modification time on the host, in nanoseconds, then its name.
    age: (i64, i64),
    path: PathBuf,
    size: u64,
}

/// Removes what is too much in `dir`. Gives the paths removed.
///
/// # Errors
/// The kernel's, when the directory cannot be listed; a dump that cannot be removed is passed over with a warning.
pub fn apply(dir: &Path, limits: Retention) -> Result<Vec<PathBuf>> {
    if limits == Retention::default() || is_surely_within(dir, limits)? {
        return Ok(Vec::new());
    }
    let mut dumps = ours(dir)?;
    dumps.sort();
    let free = host::free_bytes(dir)?.unwrap_or(u64::MAX);
    let mut removed = Vec::new();
    for dump in excess(&dumps, limits, free) {
        match std::fs::remove_file(&dump.path) {
            Ok(()) => removed.push(dump.path.clone()),
            Err(error) => log::warn!("cannot remove the old dump {}: {error}", dump.path.display()),
        }
    }
    Ok(removed)
}

/// Whether the directory as a whole is below the only limit there is, so that its files need no look.
fn is_surely_within(dir: &Path, limits: Retention) -> Result<bool> {
    if limits.max_count != 0 || limits.keep_free != 0 {
        return Ok(false);
    }
    let size = fs_extra::dir::get_size(dir).map_err(std::io::Error::other);
    Ok(size.tried(|| format!("cannot measure {}", dir.display()))? <= limits.max_bytes)
}

/// The dumps in `dir` that carry our mark.
fn ours(dir: &Path) -> Result<Vec<Dump>> {
    let what = || format!("cannot list {}", dir.display());
    let mut dumps = Vec::new();
    for entry in std::fs::read_dir(dir).tried(what)? {
        let path = entry.tried(what)?.path();
        let is_dump = path.extension().is_some_and(|extension| extension == "dmp");
        // An empty buffer asks for the length only.
        let mut nothing: [u8; 0] = [];
        if !is_dump || rustix::fs::lgetxattr(&path, CONTAINER_ATTRIBUTE, &mut nothing[..]).is_err() {
            continue;
        }
        // The uploader may have taken it meanwhile.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_file() {
            dumps.push(Dump { age: (metadata.mtime(), metadata.mtime_nsec()), path, size: metadata.len() });
        }
    }
    Ok(dumps)
}

/// The oldest of `dumps` (sorted by age) that must go; never the last.
fn excess(dumps: &[Dump], limits: Retention, free: u64) -> &[Dump] {
    let mut count = u64::try_from(dumps.len()).unwrap_or(u64::MAX);
    let mut bytes: u64 = dumps.iter().map(|dump| dump.size).sum();
    let mut free = free;
    let removable = dumps.len().saturating_sub(1);
    for (n, dump) in dumps.iter().take(removable).enumerate() {
        let over = |limit: u64, value: u64| limit != 0 && value > limit;
        if !over(limits.max_count, count) && !over(limits.max_bytes, bytes) && free >= limits.keep_free {
            return dumps.get(..n).unwrap_or_default();
        }
        count -= 1;
        bytes -= dump.size;
        free = free.saturating_add(dump.size);
    }
    dumps.get(..removable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_newest_never() {
        let dumps: Vec<Dump> =
            (0..5).map(|n| Dump { age: (n, 0), path: format!("/{n}.dmp").into(), size: 100 }).collect();
        let limits = |max_count, max_bytes, keep_free| Retention { max_count, max_bytes, keep_free };
        let cases = [
            (limits(0, 0, 0), 1000, 0),
            (limits(5, 500, 1000), 1000, 0),
            (limits(3, 0, 0), 1000, 2),
            (limits(0, 250, 0), 1000, 3),
            (limits(0, 0, 1200), 1000, 2),
            (limits(4, 150, 0), 1000, 4),
            (limits(1, 1, 9999), 1000, 4),
        ];
        for (limits, free, expected) in cases {
            assert_eq!(excess(&dumps, limits, free).len(), expected, "{limits:?}");
        }
        assert!(excess(&[], limits(1, 1, 1), 0).is_empty());
    }
}
