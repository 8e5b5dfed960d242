//! The fields of a spec, in groups. Each function reads its field from the spec, notes every mistake, and gives what
//! it could read; the caller looks whether there were mistakes.

pub(super) mod cpu;
pub(super) mod dbus;
pub(super) mod devices;
pub(super) mod etc;
pub(super) mod media;
pub(super) mod memory;
pub(super) mod mounts;
pub(super) mod network;
pub(super) mod output;
pub(super) mod plugins;
pub(super) mod process;
pub(super) mod security;
