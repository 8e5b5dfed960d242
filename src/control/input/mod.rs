//! What containers read. From the bottom up:
//!
//! - [`console`]: the socket through which a runtime hands over a terminal.
//! - [`way`]: the way to the input of one container, and who has it.

pub(crate) mod console;
pub(crate) mod way;
