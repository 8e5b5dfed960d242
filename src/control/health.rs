//! Says that a directory's disk is full before somebody misses something.

use std::path::Path;

use rustix::fs::StatVfsMountFlags;

/// Less than this, in bytes, is full.
const FULL: u64 = 16 * 1024;

/// Why nothing can be written into `dir`, and that `then`, in one sentence.
pub(crate) fn trouble(then: &str, dir: &Path) -> Option<String> {
    let stat = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => return Some(format!("{then}: there is no directory {}: {error}", dir.display())),
    };
    let why = if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        "is read-only"
    } else if stat.f_bfree.saturating_mul(stat.f_frsize) < FULL {
        "is full"
    } else if stat.f_files > 0 && stat.f_ffree == 0 {
        "has no room for another file"
    } else {
        return None;
    };
    Some(format!("{then}: the file system of {} {why}", dir.display()))
}
