//! The mark of a crash loop, on the newest dump of it: the daemon announces a loop by the first dump that has the mark.
//!
//! Every dump that comes later in the loop gets the mark as well, with the count of then, and whatever becomes of the dumps
//! before: the newest is there. So a daemon that was not there when the loop began learns of it all the same.

use std::path::Path;

use crate::harvest::crash_loop::surplus::{Crash, bursts};
use crate::harvest::marks;
use crate::harvest::stock::Dump;
use crate::settings::burst::Burst;

/// A container has crashed more often in a time than dumps are kept of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashLoop {
    /// How many crashes there were up to the dump that says so. Those whose dumps another program has taken away are not
    /// counted.
    pub count: u64,
    /// When the first of them was, in seconds since 1970, as the container says.
    pub since: i64,
    /// The time of the limit, in seconds: what begins later is another loop.
    pub window: u64,
}

impl CrashLoop {
    /// What the dump at `path` says.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let text = String::from_utf8(marks::crash_loop(path)?).ok()?;
        let mut words = text.split(' ');
        let (count, since, window) = (words.next()?, words.next()?, words.next()?);
        let found =
            Self { count: count.parse().ok()?, since: since.parse().ok()?, window: window.parse().ok()? };
        words.next().is_none().then_some(found)
    }

    /// Whether this is the loop that began at `since`. The first dumps of it may have been taken away, so that it seems to
    /// have begun a little later.
    #[must_use]
    pub fn is_that_of(&self, since: i64) -> bool {
        self.since.abs_diff(since) < self.window
    }

    fn text(&self) -> String {
        format!("{} {} {}", self.count, self.since, self.window)
    }
}

/// Marks the newest dump of each loop among the dumps of one container, which are sorted. A mark that is missing costs
/// the event, and nothing else.
pub(super) fn mark(dumps: &[&Dump], burst: Burst) {
    let crashes: Vec<Crash> = dumps.iter().map(|dump| Crash::of(dump)).collect();
    for range in bursts(&crashes, burst) {
        let Some([first, later @ ..]) = dumps.get(range) else { continue };
        // What was not kept before the first one is of another time.
        let not_kept = later.iter().map(|dump| marks::not_kept(&dump.path)).fold(0, u64::saturating_add);
        let kept = u64::try_from(later.len()).unwrap_or(u64::MAX).saturating_add(1);
        let count = kept.saturating_add(not_kept);
        let Some(newest) = later.last().filter(|_| count > burst.count) else { continue };
        let found = CrashLoop { count, since: first.age.time.seconds, window: burst.seconds };
        if CrashLoop::of(&newest.path) == Some(found) {
            continue;
        }
        if let Err(error) = marks::set_crash_loop(&newest.path, &found.text()) {
            log::debug!("cannot mark {} as that of a crash loop: {error}", newest.path.display());
        }
    }
}
