//! The output of containers. From the bottom up:
//!
//! - [`read`]: reads a log from a place in it.
//! - [`trim`]: cuts a log to its end.
//! - [`journald`]: the journal as the place of the output.
//! - [`sink`]: where a container writes.
//! - [`log_store`]: all log files, each kept below its limit.

pub(crate) mod journald;
pub(crate) mod log_store;
pub(crate) mod read;
pub(crate) mod sink;
pub(crate) mod trim;
