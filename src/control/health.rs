//! What the daemon cannot do at the moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::StatVfsMountFlags;

/// Less free space than this, in bytes, counts as a full disk where logs are.
pub(crate) const LOG_BYTES: u64 = 16 * 1024;
/// And where the state is: one start writes 24 KiB, and more with a large configuration (the pages of a tmpfs that its files
/// take), a stop or a command needs a page or two.
pub(crate) const STATE_BYTES: u64 = 128 * 1024;

/// The current problems, each under a key and in one sentence.
#[derive(Debug, Default)]
pub(crate) struct HealthMonitor {
    problems: Mutex<BTreeMap<String, String>>,
}

impl HealthMonitor {
    /// Notes and logs a problem; it replaces an earlier one of the same key.
    pub(crate) fn degrade(&self, key: &str, sentence: String) {
        log::warn!("{sentence}");
        self.lock().insert(key.to_owned(), sentence);
    }

    /// Clears a problem, if there is one.
    pub(crate) fn recover(&self, key: &str) {
        self.lock().remove(key);
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why fewer than `bytes` can be written into `dir` and what follows from that, in one sentence; `None` when all is well.
pub(crate) fn disk_problem(consequence: &str, dir: &Path, bytes: u64) -> Option<String> {
    let stat = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => {
            return Some(format!("{consequence}: there is no directory {}: {error}", dir.display()));
        }
    };
    let why = if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        "is read-only"
    } else if stat.f_bfree.saturating_mul(stat.f_frsize) < bytes {
        "is full"
    } else if stat.f_files > 0 && stat.f_ffree == 0 {
        "has no room for another file"
    } else {
        return None;
    };
    Some(format!("{consequence}: the file system of {} {why}", dir.display()))
}

/// Fewer free descriptors than this count as none: a start needs about half of them for a moment.
const SPARE_DESCRIPTORS: usize = 16;

/// Why there are too few descriptors for another container, in one sentence; `None` when there are enough.
pub(crate) fn descriptor_problem() -> Option<String> {
    let spare: std::io::Result<Vec<_>> =
        (0..SPARE_DESCRIPTORS).map(|_| std::fs::File::open("/dev/null")).collect();
    let error = spare.err()?;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or_else(String::new, |limit| format!(" (of at most {limit})"));
    Some(format!("the daemon has fewer than {SPARE_DESCRIPTORS} free file descriptors{limit}: {error}"))
}
