//! The control layer against real runtimes and real containers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]
#![cfg(feature = "daemon")]

mod accepted_stop;
mod adopt;
mod concurrency;
mod crash_loops;
mod crash_records;
mod exec;
mod late_harvest;
mod life;
mod logs;
mod minidump;
mod owned;
mod owned_attacks;
mod past;
mod refuse;
mod renew;
mod running;
mod runtimes;
mod start;
mod stats;
mod stop;
#[path = "../support/mod.rs"]
mod support;
