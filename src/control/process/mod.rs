//! Processes of the host, and their cgroups. From the bottom up:
//!
//! - [`reaper`]: the one place that waits for children.
//! - [`cgroup`]: where the cgroups of a process are.
//! - [`handle`]: a process that is never mistaken for another one with the same number.
//! - [`tree`]: kills a process with all its descendants.
//! - [`helper`]: runs a program of the host to its end.
//! - [`program`]: the runtime's program, opened so that it need not open itself at every call.

pub(crate) mod cgroup;
pub(crate) mod handle;
pub(crate) mod helper;
pub(crate) mod program;
pub(crate) mod reaper;
pub(crate) mod tree;
