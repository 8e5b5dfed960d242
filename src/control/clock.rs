//! Clocks that are never set, in nanoseconds.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The time since the machine booted, sleep included (`CLOCK_BOOTTIME`): comparable with that of another daemon.
pub(crate) fn boottime() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// The time since some moment in the past (`CLOCK_MONOTONIC`), which Dobby reports.
pub(crate) fn monotonic() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

fn nanoseconds(time: Timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(rest.unwrap_or_default())
}
