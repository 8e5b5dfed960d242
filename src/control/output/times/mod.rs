//! When the output of a container came, beside its log, whose bytes stay as they were written. From the bottom up:
//!
//! - [`entry`]: from which place on output came at which time, and how that is written.
//! - [`writer`]: writes it down, before the output itself goes into the log.
//! - [`known`]: which times are known of a log.
//!
//! What always holds:
//!
//! - An entry is written before the output that it is of, and of a file that it knows by its inode. A reader that is killed
//!   in between has no output without an entry, and a log that is cut, moved or emptied has none of another.
//! - What cannot be written down is not known: it has no time then, rather than a wrong one.
//! - Times are those of the clock as it was, [`writer::GRAIN`] apart at least, so that a line may have come by so much later
//!   than its time says, and never before.

pub(crate) mod entry;
pub(crate) mod known;
pub(crate) mod writer;
