//! Why a program crashed, from its dump: the stack of each thread (feature `stack`). From the bottom up:
//!
//! - `memory`: the memory in a dump that has all of it.
//! - [`input`]: a dump in memory, refused when its lists and names are larger than any real dump's.
//! - [`elf`]: functions, lines and call frame information of ELF files.
//! - [`symbols`]: symbol files and ELF files of the administrator, found by what a dump says of its modules.
//! - [`walk`]: the frames of each thread, each with how it was found.
//! - [`fingerprint`]: the same id for the same crash.
//! - [`show`]: a stack in words and in JSON.
//! - [`top`]: crashes counted by their fingerprint.
//! - `command_line`: the program `oci-minidump-stack`.
//!
//! The walk itself is that of `minidump-unwind`, which `minidump-stackwalk` runs. What it costs is bounded here.

mod command_line;
pub mod elf;
pub mod fingerprint;
pub mod input;
mod memory;
pub mod show;
pub mod symbols;
pub mod top;
pub mod walk;

pub use command_line::{command, run};
