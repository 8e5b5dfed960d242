//! What the tests share: three worlds, in which real programs run, and the tools that build and watch them.
//!
//! - [`hook_world::HookWorld`]: bundles and runtimes that call the hook.
//! - `manager_world::ManagerWorld`: the control layer, in the process of the test.
//! - `daemon_world::DaemonWorld`: the daemon `ocicontainer` and its clients.

#![allow(dead_code, reason = "every test binary has all of it and needs a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

pub(crate) mod cgroup_hugetlb;
#[cfg(feature = "daemon")]
pub(crate) mod daemon_world;
pub(crate) mod hook_world;
pub(crate) mod hook_wrapper;
pub(crate) mod host;
pub(crate) mod host_program;
#[cfg(feature = "daemon")]
pub(crate) mod manager_world;
#[cfg(feature = "daemon")]
pub(crate) mod memcr;
pub(crate) mod programs;
pub(crate) mod pty;
pub(crate) mod random;
pub(crate) mod repository;
pub(crate) mod run;
pub(crate) mod state;
#[cfg(feature = "daemon")]
pub(crate) mod syscall_gate;
pub(crate) mod test_dir;
pub(crate) mod test_runtimes;
#[cfg(feature = "daemon")]
pub(crate) mod wire;
