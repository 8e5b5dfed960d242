//! What is done to a container that runs, apart from starting and ending it. From the bottom up:
//!
//! - [`annotate`]: annotations that clients make.
//! - [`hibernate`]: its memory is written out and read back.
//! - [`mount`]: directories of the host in it.

pub(crate) mod annotate;
pub(crate) mod hibernate;
pub(crate) mod mount;
