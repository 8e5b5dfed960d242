//! Gets crash dumps out of OCI containers, and controls OCI containers on small devices.
//!
//! The map of the crate, from the bottom up:
//!
//! - [`error`]: the one error type, its kinds and the exit codes they lead to.
//! - [`sys`]: every raw system call; `unsafe` is denied everywhere else.
//! - [`log`]: where messages go (stderr, syslog), with foreign text escaped.
//! - `cli`: the command line of `ocicontainer`, one verb per file (feature `daemon`).
//! - `server`: HTTP, WebSocket and Unix socket in front of the API, and their guards (feature `daemon`).
//! - `rpc`: the API: requests, method names, methods, errors, subscriptions (feature `daemon`).
//! - `control`: starts, watches and stops containers through an OCI runtime (feature `daemon`).

#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod control;
pub mod error;
pub mod log;
#[cfg(feature = "daemon")]
pub mod rpc;
#[cfg(feature = "daemon")]
pub mod server;
pub mod sys;
