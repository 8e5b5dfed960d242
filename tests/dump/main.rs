//! The dump reader against real dumps, against another reader of them, and against damaged and hostile ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod agree;
mod allocations;
mod build;
mod crashes;
mod damage;
mod hostile;
mod missing;
mod samples;
#[path = "../support/mod.rs"]
mod support;
mod verb;
