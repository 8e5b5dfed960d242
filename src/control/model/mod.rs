//! Requests, states and events, as callers see them. From the bottom up:
//!
//! - [`id`]: the id of a container.
//! - [`state`]: its state in one word, and how a process ended.
//! - [`event`]: what subscribers receive.
//! - [`command_line`]: a command line as text, split into words.
//! - [`signal`]: a signal that a client sends.
//! - [`request`]: requests, and the result of a command; [`stream`]: a command with streams.

pub(crate) mod command_line;
pub(crate) mod event;
pub(crate) mod id;
pub(crate) mod request;
pub(crate) mod signal;
pub(crate) mod state;
pub(crate) mod stream;
