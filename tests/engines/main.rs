//! `enable`, in trees that are the root of no host, and the stand-in for a runtime with the real ones. With the real engines,
//! scripts/test-engines runs both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod doctor;
mod stand_in;
#[path = "../support/mod.rs"]
mod support;
mod trees;
