//! The functions that the symbol table of an ELF file names.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::file::Elf;
use super::names::demangle;
use crate::coredump::elf::Machine;
use crate::dump::fields::Fields;
use crate::dump::records::Cpu;
use crate::dump::{Order, Source};
use crate::error::Result;

/// The largest symbol table, and the most bytes of its names.
const MAX_TABLE: u64 = 64 << 20;
const MAX_NAMES: u64 = 192 << 20;
/// `STT_FUNC` and `STT_GNU_IFUNC`.
const FUNCTIONS: [u8; 2] = [2, 10];
/// The longest function whose symbol has no size: as a rule, one in assembler.
const MAX_UNSIZED: u64 = 64 << 10;

/// The most names that are kept once they are taken apart: the walker asks for one again and again.
const MAX_KNOWN: usize = 8192;

/// The tables that may name functions, each with that of its names. The first one has more of them.
pub const TABLES: [[&str; 2]; 2] = [[".symtab", ".strtab"], [".dynsym", ".dynstr"]];

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, as the source has it.
    pub name: String,
    /// Its first address, as the file has it.
    pub start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Symbol {
    start: u64,
    /// Of several names for an address, that with the lowest rank counts: global, then weak, then local.
    rank: u8,
    name: u32,
    size: u64,
}

/// The functions of a file.
#[derive(Debug, Default)]
pub struct Functions {
    symbols: Vec<Symbol>,
    names: Vec<u8>,
    /// Names that were taken apart, by the functions' addresses.
    known: Mutex<BTreeMap<u64, String>>,
}

impl Functions {
    /// Reads one of [`TABLES`].
    ///
    /// # Errors
    /// `Input` when it is larger than any real one; the operating system's error when it cannot be read.
    pub fn read(elf: &Elf, source: &impl Source, [table, names]: [&str; 2]) -> Result<Self> {
        let content = elf.content(source, table, MAX_TABLE)?;
        let size = if elf.machine.wide { 24 } else { 16 };
        let mut symbols: Vec<_> =
            content.chunks_exact(size).filter_map(|record| symbol(record, elf.machine)).collect();
        symbols.sort_unstable();
        symbols.dedup_by_key(|symbol| symbol.start);
        Ok(Self { symbols, names: elf.content(source, names, MAX_NAMES)?, known: Mutex::default() })
    }

    /// The function that an address belongs to; the address is one of the file.
    #[must_use]
    pub fn at(&self, address: u64) -> Option<Function> {
        let behind = self.symbols.partition_point(|symbol| symbol.start <= address);
        let symbol = self.symbols.get(behind.checked_sub(1)?)?;
        let size = if symbol.size == 0 { MAX_UNSIZED } else { symbol.size };
        if address.checked_sub(symbol.start)? >= size {
            return None;
        }
        let function = Function { name: self.name(symbol)?, start: symbol.start };
        Some(function).filter(|function| !function.name.is_empty())
    }

    fn name(&self, symbol: &Symbol) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get(&symbol.start) {
            return Some(name.clone());
        }
        let name = self.names.get(usize::try_from(symbol.name).ok()?..)?.split(|byte| *byte == 0).next()?;
        let name = demangle(name);
        if known.len() < MAX_KNOWN {
            known.insert(symbol.start, name.clone());
        }
        Some(name)
    }
}

/// A record of the table, if it is a function that the file has.
fn symbol(record: &[u8], machine: Machine) -> Option<Symbol> {
    let mut fields = Fields::new(record, Order::Little);
    let name = fields.u32();
    let (info, section, start, size) = if machine.wide {
        let [info, _other] = fields.take();
        (info, fields.u16(), fields.u64(), fields.u64())
    } else {
        let (start, size) = (fields.u32(), fields.u32());
        let [info, _other] = fields.take();
        (info, fields.u16(), u64::from(start), u64::from(size))
    };
    if !FUNCTIONS.contains(&(info & 0xf)) || section == 0 {
        return None;
    }
    let rank = match info >> 4 {
        1 => 0,
        2 => 1,
        _ => 2,
    };
    // The lowest bit says that it is Thumb code.
    let start = if machine.cpu == Cpu::Arm { start & !1 } else { start };
    Some(Symbol { start, rank, name, size })
}
