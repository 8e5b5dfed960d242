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
mod corpus;
mod daemon;
mod differences;
mod examples;
mod hardware;
mod injection;
mod isolation;
mod legacy;
mod minidump;
mod mutations;
mod nat;
mod networks;
mod owned;
mod plugins;
mod reach;
mod recorded;
mod rejected;
mod restart;
mod runtime;
mod shapes;
mod specs;
mod start;
mod storage;
#[path = "../support/mod.rs"]
mod support;
mod undone;
mod wall;
