//! How long something has waited, whatever happens to the clock of the host: a box without a battery begins in 1970, and is
//! set later. Only the time in which the machine runs counts.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::proc::boot::boot_id;

/// How long something has waited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Age {
    /// How long by the last look, in seconds.
    pub seconds: u64,
    /// When that was.
    last: Moment,
}

/// A moment in a boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Moment {
    /// The id of the boot.
    boot: String,
    /// Seconds since its beginning, with those in which the machine slept.
    uptime: u64,
}

impl Age {
    /// Of what begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { seconds: 0, last: Moment::now() }
    }

    /// Adds the time since the last look.
    pub fn look(&mut self) {
        self.look_at(Moment::now());
    }

    fn look_at(&mut self, now: Moment) {
        // Of another boot, only its time is known.
        let before = if self.last.boot == now.boot { self.last.uptime } else { 0 };
        let since = now.uptime.checked_sub(before).unwrap_or(now.uptime);
        self.seconds = self.seconds.saturating_add(since);
        self.last = now;
    }
}

impl Moment {
    fn now() -> Self {
        let uptime = clock_gettime(ClockId::Boottime).tv_sec;
        Self { boot: boot_id().unwrap_or_default(), uptime: u64::try_from(uptime).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_each_boot_counts_and_no_more() {
        let at = |boot: &str, uptime| Moment { boot: boot.to_owned(), uptime };
        let mut age = Age { seconds: 0, last: at("a", 100) };
        for (moment, expected) in [
            (at("a", 100), 0),
            (at("a", 160), 60),
            (at("b", 5), 65),
            (at("b", 25), 85),
            // A boot without an id looks like the same one.
            (at("", 30), 115),
            (at("", 10), 125),
            (at("", 12), 127),
        ] {
            age.look_at(moment.clone());
            assert_eq!(age.seconds, expected, "{moment:?}");
        }
    }
}
