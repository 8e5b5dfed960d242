//! A command or a container with the user's own input, output and terminal. From the bottom up:
//!
//! - [`signals`]: the signals to this process; [`raw`]: the user's terminal; [`keys`]: those that detach it.
//! - [`typed`]: the user's input, as much as is taken.
//! - [`writer`]: the user's output; [`connection`]: the stream to the daemon.
//! - [`wanted`]: what a stream is to have of the user's, and how it ended.
//! - [`session`]: all of them together, to the end.

mod connection;
mod keys;
pub(crate) mod raw;
pub(crate) mod session;
pub(crate) mod signals;
mod typed;
mod wanted;
mod writer;
