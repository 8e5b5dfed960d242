//! Reads JSON and collects everything that is wrong with it. From the bottom up:
//!
//! - [`problems`]: everything that is wrong, and warnings.
//! - [`node`]: a value with its place.
//! - [`input`]: JSON as an object, a text or a file, with comments.

pub(crate) mod input;
pub(crate) mod node;
pub(crate) mod problems;
