//! The plugins of Dobby that there is a stand-in for: one file each, and one line in [`catalogue`].
//!
//! A plugin acts at the points of Dobby's hooks that carry these names. What it must undo or bring home later it
//! leaves in the container's own directory, before it does it: the daemon that starts a container need not be the
//! one that sees its end, so `Plugin::post_halt` and `Plugin::post_stop` go by that directory alone.

pub(crate) mod catalogue;
pub(crate) mod config_edit;
mod crash;
pub(crate) mod data;
mod devices;
mod ipc;
mod legacy;
mod localtime;
mod logging;
pub(crate) mod mount_points;
mod network;
pub(crate) mod plugin;
pub(crate) mod plugin_set;
mod rtscheduling;
mod storage;
