//! The head of a core file.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::io::Read;

use crate::coredump::elf::{self, Machine, Mapping};
use crate::coredump::files::{self, MappedFile};
use crate::coredump::notes::{self, Process, Signal};
use crate::coredump::registers::Thread;
use crate::coredump::stream::Stream;
use crate::dump::Order;
use crate::dump::fields::Fields;
use crate::error::{Error, ErrorKind, Result};

/// The most pairs of the auxiliary vector that are looked at; Linux has about 25.
const MAX_AUXV: usize = 64;

/// What a core file says before the memory.
#[derive(Debug)]
pub struct Head {
    /// The machine.
    pub machine: Machine,
    /// The mappings, by address.
    pub mappings: Vec<Mapping>,
    /// The threads, at least one; the first one has crashed.
    pub threads: Vec<Thread>,
    /// Why the process ended.
    pub signal: Signal,
    /// The process.
    pub process: Process,
    /// The auxiliary vector (getauxval(3)), as it is.
    pub auxv: Vec<u8>,
    /// The files that are mapped from their beginning on.
    pub files: Vec<MappedFile>,
    /// Whether something is missing: there are too many threads, or the file ends early.
    pub cut: bool,
}

impl Head {
    /// Reads the head, and of the rest at most what was under way with it.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when it cannot be used; the kernel's.
    pub fn read(from: impl Read) -> Result<Self> {
        let mut stream = Stream::new(from);
        let layout = elf::read(&mut stream)?;
        let machine = layout.machine;
        let notes = notes::read(&mut stream, machine, layout.notes)?;
        if notes.threads.is_empty() {
            let what = "this core file cannot be used: it has no registers of a thread";
            return Err(Error::new(ErrorKind::Input, what));
        }
        Ok(Self {
            machine,
            mappings: layout.mappings,
            threads: notes.threads,
            signal: notes.signal.unwrap_or_default(),
            process: notes.process.unwrap_or_default(),
            files: files::parse(&notes.files, machine),
            auxv: notes.auxv,
            cut: notes.cut,
        })
    }

    /// A value of the auxiliary vector, by its `AT_*` number.
    #[must_use]
    pub fn auxiliary(&self, wanted: u64) -> Option<u64> {
        let mut fields = Fields::new(&self.auxv, Order::Little);
        let mut pair = || (self.machine.word(&mut fields), self.machine.word(&mut fields));
        (0..MAX_AUXV)
            .map(|_| pair())
            .take_while(|(key, _)| *key != 0)
            .find(|(key, _)| *key == wanted)
            .map(|(_, v)| v)
    }

    /// The mapping that holds `address`, or else the next one above it: a stack that has overflowed points below its own.
    #[must_use]
    pub fn mapping_from(&self, address: u64) -> Option<Mapping> {
        let after = self.mappings.partition_point(|mapping| mapping.end <= address);
        self.mappings.get(after).copied().filter(|mapping| mapping.end > mapping.start)
    }
}
