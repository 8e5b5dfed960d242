//! Gets crash dumps out of OCI containers, and controls OCI containers on small devices.
//!
//! The map of the crate, from the bottom up:
//!
//! - [`error`]: the one error type, its kinds and the exit codes they lead to.
//! - [`sys`]: every raw system call; `unsafe` is denied everywhere else.
//! - [`log`]: where messages go (stderr, syslog), with foreign text escaped.
//! - `control`: starts, watches and stops containers through an OCI runtime (feature `daemon`).

#[cfg(feature = "daemon")]
pub mod control;
pub mod error;
pub mod log;
pub mod sys;
