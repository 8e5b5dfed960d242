//! A part of a file, and what was read of it.

use minidump_unwind::SymbolFile;

use crate::stack::elf::functions::Functions;
use crate::stack::elf::lines::Lines;
use crate::stack::elf::unwind::Unwind;

/// A part of a file, by the device and the inode of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) file: (u64, u64),
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Breakpad,
    Unwind,
    Functions,
    Lines,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Loaded {
    Breakpad(Box<SymbolFile>),
    Unwind(Unwind),
    Functions(Functions),
    Lines(Lines),
    /// It cannot be read, which is not tried again.
    Nothing,
}
