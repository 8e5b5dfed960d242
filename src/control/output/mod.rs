//! The output of containers. From the bottom up:
//!
//! - [`read`]: reads a log from a place in it.
//! - [`place`]: how much of the output went before what a log still has.
//! - [`journald`]: the journal as the place of the output.
//! - [`sink`]: where a container writes.
//! - [`last_sinks`]: where those wrote that have ended.
//! - [`times`]: when the output came.
//! - [`log_end`]: the place behind a log that other programs may take away.
//! - [`bounded_log`]: the file that output is written to, below its limit at all times.
//! - [`terminal`]: the reading end of a terminal.
//! - [`reader`]: reads what a container writes, from a pipe or a terminal into its log; [`readers`]: those of all containers.
//! - [`log_store`]: the logs of containers.
//! - `model`: in tests, any sequence of what may happen to a log.

pub(crate) mod bounded_log;
pub(crate) mod journald;
pub(crate) mod last_sinks;
pub(crate) mod log_end;
pub(crate) mod log_store;
pub(crate) mod place;
pub(crate) mod read;
pub(crate) mod reader;
pub(crate) mod readers;
pub(crate) mod sink;
pub(crate) mod terminal;
pub(crate) mod times;

#[cfg(test)]
mod model;
