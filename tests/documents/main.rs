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
#[path = "../support/programs.rs"]
mod examples;
mod files;
#[path = "../support/hugetlb.rs"]
mod hugetlb;
mod links;
mod markdown;
mod messages;
mod pictures;
mod quick_start;
mod settings;
#[path = "../support/test_dir.rs"]
mod test_dir;
