//! Writing a minidump, for programs that write none themselves.
//!
//! - `buffer`: its bytes.
//! - [`contents`]: what goes into it.
//! - `lists`: the streams that are lists: threads, modules, memory.
//! - [`mod@file`]: the header, the directory, and all streams.

mod buffer;
pub mod contents;
pub mod file;
mod lists;

pub use contents::{Contents, Crash, Module, Piece, Thread};
pub use file::write;
