//! Bundles that belong to an app's user, where the administrator allows that. From the bottom up:
//!
//! - [`refused`]: why one is refused, and whose it is.
//! - [`mounts`]: the rules for what is mounted.
//! - [`linux`]: the rules for namespaces, ids, devices and resources.
//! - [`process`]: the rules for the program.
//! - [`plugins`]: the rules for plugins.
//! - [`rules`]: the rules for the whole.
//! - [`opened`]: reads such a bundle once, and mounts its root file system where its owner cannot exchange it.

mod linux;
mod mounts;
pub(crate) mod opened;
mod plugins;
mod process;
mod refused;
mod rules;
