//! Minidumps: what they say of a crash, whether they are whole, and how they are written.
//!
//! Everything here reads files that a container wrote: counts, sizes and offsets in them are only believed after a
//! check, and no amount of memory or time depends on them.
//!
//! - [`source`]: where the bytes come from: a file, or memory.
//! - [`minidump`], [`streams`]: the format: header, directory, lists.
//! - [`records`], [`contents`]: what is in it: threads, modules, the crash, texts.
//! - [`build`]: what identifies the build of a program or library.
//! - [`mod@completeness`]: whether everything that a dump points at is there.
//! - [`signal`]: the names of Linux signals and their codes.
//! - [`write`](mod@write): a minidump of a program that wrote none.
//! - [`show`]: what a person wants to know of a crash, in words, and the verbs `info` and `list`.

pub mod build;
pub mod completeness;
pub mod contents;
pub(crate) mod fields;
pub mod minidump;
pub mod records;
pub mod show;
pub mod signal;
pub mod source;
pub mod streams;
pub mod write;

pub use completeness::{Completeness, completeness};
pub use fields::Order;
pub use minidump::is_minidump;
pub use show::report::Report;
pub use source::Source;
