//! Gets crash dumps out of OCI containers, and controls OCI containers on small devices.
//!
//! The map of the crate, from the bottom up:
//!
//! - [`error`]: the one error type, its kinds and the exit codes they lead to.
//! - [`sys`]: every raw system call; `unsafe` is denied everywhere else.
//! - [`deadline`]: how long something may take.
//! - [`log`]: where messages go (stderr, syslog), with foreign text escaped.
//! - [`dump`]: reads minidumps: what crashed, is the file whole; writes them.
//! - [`coredump`]: the head of a core file: threads, registers, mappings.
//! - [`proc`]: the kernel's files in `/proc`, on bytes; processes that are never mistaken for others.
//! - [`process`]: process set-up (signals, umask, descriptors); [`host`]: the host's own directories and files;
//!   [`tool`]: running the e2fsprogs programs.
//! - [`oci`]: what a runtime hands over: the state, the bundle, its hooks section.
//! - [`settings`]: what to do for a container, and the administrator's settings.
//! - [`image`]: the ext4 image: made, locked, attached, mounted, read.
//! - [`notify`]: published dumps are handed over to a program or a socket, and counted.
//! - [`harvest`]: getting the dumps out of an image, onto the host.
//! - [`hook`]: the OCI hook: prestart and poststop. [`calls`]: calls of engines that have no OCI hooks.
//! - [`running`]: containers that go on: their dumps are brought to the host meanwhile.
//! - [`crash`]: the kernel's handler of core files: a minidump for programs that write none.
//! - [`engines`]: what each engine needs on the host, to be enabled. [`doctor`]: whether all is well.
//! - [`command`]: the hook's commands for people.
//! - `stack`: why a program crashed: the stacks in its dump (feature `stack`).
//! - `dobby`: a Dobby spec becomes an OCI bundle (feature `daemon`).
//! - `control`: starts, watches and stops containers through an OCI runtime (feature `daemon`).
//! - `rpc`: the API: requests, method names, methods, errors, subscriptions (feature `daemon`).
//! - `dbus`: Dobby's D-Bus interface (feature `dbus`).
//! - `server`: HTTP, WebSocket and Unix socket in front of the API, and their guards (feature `daemon`).
//! - `cli`: the command line of `ocicontainer`, one verb per file (feature `daemon`).
//!
//! `tests/layers` checks that no module uses one that stands above it.

pub mod calls;
#[cfg(feature = "daemon")]
pub mod cli;
pub mod command;
#[cfg(feature = "daemon")]
pub mod control;
pub mod coredump;
pub mod crash;
#[cfg(feature = "dbus")]
pub mod dbus;
pub mod deadline;
#[cfg(feature = "daemon")]
pub mod dobby;
pub mod doctor;
pub mod dump;
pub mod engines;
pub mod error;
pub mod harvest;
pub mod hook;
pub mod host;
pub mod image;
pub mod log;
pub mod notify;
pub mod oci;
pub mod proc;
pub mod process;
#[cfg(feature = "daemon")]
pub mod rpc;
pub mod running;
#[cfg(feature = "daemon")]
pub mod server;
pub mod settings;
#[cfg(feature = "stack")]
pub mod stack;
pub mod sys;
pub mod tool;
