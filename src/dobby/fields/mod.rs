//! The fields of a spec, in groups. Each function reads its field from the spec, notes every mistake, and gives what
//! it could read; the caller looks whether there were mistakes.

pub(crate) mod cpu;
pub(crate) mod dbus;
pub(crate) mod devices;
pub(crate) mod etc;
pub(crate) mod media;
pub(crate) mod memory;
pub(crate) mod mounts;
pub(crate) mod network;
pub(crate) mod output;
pub(crate) mod plugins;
pub(crate) mod process;
pub(crate) mod security;
