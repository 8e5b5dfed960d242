//! Dobby specs, converted and started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]
#![cfg(feature = "daemon")]

mod accepted;
mod bundle;
mod bundles;
mod console;
mod daemon;
mod differences;
mod examples;
mod hardware;
#[allow(unreachable_pub, reason = "shared with the tests of the daemon")]
#[path = "../rpc/hold.rs"]
mod hold;
#[path = "../support/hugetlb.rs"]
mod hugetlb;
mod injection;
mod minidump;
mod mutations;
mod nat;
mod networks;
#[path = "../support/own_hook.rs"]
mod own_hook;
mod plugins;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the hook")]
#[path = "../support/programs.rs"]
mod programs;
mod recorded;
mod rejected;
mod restart;
mod runtime;
mod specs;
mod start;
#[path = "../support/state.rs"]
mod state;
mod storage;
#[path = "../support/test_dir.rs"]
mod test_dir;
mod undone;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the daemon")]
#[path = "../rpc/wire.rs"]
mod wire;
#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the daemon")]
#[path = "../rpc/world.rs"]
mod world;
