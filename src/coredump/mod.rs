//! The head of a core file (core(5), elf(5)): what the kernel writes before the memory.
//!
//! It is read as a stream, since it comes through a pipe, and what is in it was chosen by the program that crashed: names,
//! counts, sizes and addresses are only believed after a check, and there is a bound on everything that is kept.
//!
//! - [`stream`]: the bytes, with a limit.
//! - [`elf`]: the machine and the mappings.
//! - [`files`]: which file is mapped where.
//! - [`registers`]: a thread's registers, and as a minidump has them.
//! - [`notes`]: the threads, the signal, the process.
//! - [`head`]: all of it.

pub mod elf;
pub mod files;
pub mod head;
pub mod notes;
pub mod registers;
pub mod stream;

pub use head::Head;
