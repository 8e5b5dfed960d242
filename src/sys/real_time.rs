//! Real-time signals (signal(7)), which rustix does not name.

use std::ops::RangeInclusive;

use rustix::process::Signal;

/// Those that programs may use. The kernel has 32 and 33, too, which the C library keeps for its threads.
pub(crate) const NUMBERS: RangeInclusive<i32> = 34..=64;

/// The real-time signal with this number.
pub(crate) fn signal(number: i32) -> Option<Signal> {
    // SAFETY: the kernel has these signals on every architecture, and the C library does not keep them for itself. They are
    // only sent to other processes.
    NUMBERS.contains(&number).then(|| unsafe { Signal::from_raw_unchecked(number) })
}
