//! Dobby's D-Bus interface: the real daemon on a private bus, called by the real `busctl`.

#![allow(unreachable_pub)] // A test program has no public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)] // It may fail where it stands.

mod arguments;
mod away;
mod bus;
mod callers;
mod client;
mod containers;
mod flood;
mod hardship;
mod inside;
mod package;
#[path = "../support/mod.rs"]
mod support;
