//! The control layer against real runtimes and real containers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]
#![cfg(feature = "daemon")]

mod adopt;
#[path = "../support/chosen.rs"]
mod chosen;
mod exec;
#[path = "../support/hugetlb.rs"]
mod hugetlb;
mod late;
mod life;
mod logs;
mod minidump;
#[path = "../support/own_hook.rs"]
mod own_hook;
mod refuse;
mod runtimes;
mod start;
#[path = "../support/state.rs"]
mod state;
mod stats;
mod stop;
mod storm;
#[path = "../support/test_dir.rs"]
mod test_dir;
mod world;
