//! Calls that are not those of an OCI hook, from engines that have no place to register one.
//!
//! - [`command_line`]: finds the verb and the bundle on a runtime's command line.
//! - [`runtime`]: stands in for an OCI runtime (Docker), registers the hook, and becomes the real one.
//! - [`lxc`]: LXC's own hooks, which bring no OCI state.

pub mod command_line;
pub mod lxc;
pub mod runtime;
