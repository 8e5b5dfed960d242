//! Devices and what their drivers count.

pub(crate) mod devicemapper;
pub(crate) mod extra_cgroup;
pub(crate) mod gamepad;
pub(crate) mod gpu;
pub(crate) mod ionmemory;
