//! The bundle that the runtime gets. From the bottom up:
//!
//! - [`launcher`]: Dobby's own hooks, which are left out.
//! - [`owned`]: bundles of an app's user, which may ask for less.
//! - [`source`]: which bundles may be started.
//! - [`hook`]: finds the minidump hook and registers it.
//! - [`config`]: the effective configuration: the bundle's, with what this start changes.
//! - [`defaults`]: what the administrator gives a container that does not say otherwise.
//! - [`spec`]: a bundle from a Dobby spec.
//! - [`policy`]: what the configuration asks of the daemon itself.

pub(crate) mod config;
pub(crate) mod defaults;
pub(crate) mod hook;
pub(crate) mod launcher;
pub(crate) mod owned;
pub(crate) mod policy;
pub(crate) mod source;
pub(crate) mod spec;
