//! The hook's command line.
//!
//! - [`verbs`]: the one list of commands and options.
//! - [`help`]: what `--help` says, made from it.
//! - `words`: the words of a command line; [`requests`]: what they ask for.
//! - [`args`]: the whole of it.

pub mod args;
pub mod help;
pub mod requests;
pub mod verbs;
mod words;
