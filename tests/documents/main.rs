//! The documents are true: links, commands, settings and messages, and the quick starts are run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod binaries;
mod commands;
mod copy;
mod example_host;
mod examples;
mod files;
mod links;
mod markdown;
mod messages;
mod pictures;
mod quick_start;
mod settings;
#[path = "../support/mod.rs"]
mod support;
