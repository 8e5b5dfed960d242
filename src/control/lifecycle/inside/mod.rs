//! What is done to a container that runs, apart from starting and ending it. From the bottom up:
//!
//! - [`annotate`]: annotations that clients make.
//! - [`hibernate`]: its memory is written out and read back.
//! - [`mount`]: directories of the host in it.
//! - [`exec_options`]: the options of a command that a client may use; [`exec`]: runs commands in it; [`stream`]: with
//!   their input and output as streams.

pub(crate) mod annotate;
pub(crate) mod exec;
pub(crate) mod exec_options;
pub(crate) mod hibernate;
pub(crate) mod mount;
pub(crate) mod stream;
