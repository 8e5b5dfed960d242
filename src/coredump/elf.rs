//! The ELF header and the program headers of a core file: the machine, the mappings, and where the notes are.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::io::Read;

use crate::coredump::stream::Stream;
use crate::dump::Order;
use crate::dump::fields::Fields;
use crate::dump::records::Cpu;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The first bytes of every ELF file.
pub const MAGIC: [u8; 4] = *b"\x7fELF";
/// `ET_CORE`.
const CORE: u16 = 4;
/// `PT_LOAD` and `PT_NOTE`.
const LOAD: u32 = 1;
const NOTE: u32 = 4;
/// `PN_XNUM`: there are more program headers than the field can say.
const MANY: u16 = 0xffff;
/// The most mappings that are kept: 1.5 MB of ours. The kernel's default limit is 65,530 (`vm.max_map_count`).
const MAX_MAPPINGS: usize = 65_536;

/// What the numbers in a core file are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// The kind of CPU.
    pub cpu: Cpu,
    /// Whether addresses have 8 bytes, not 4.
    pub wide: bool,
}

impl Machine {
    /// The machine of an ELF file's `e_machine`, with addresses of 8 bytes or of 4; `None` when it is not known here.
    pub(crate) fn of(number: u16, wide: bool) -> Option<Self> {
        let cpu = match (number, wide) {
            (3, false) => Cpu::X86,
            (40, false) => Cpu::Arm,
            (62, true) => Cpu::X86_64,
            (183, true) => Cpu::Arm64,
            _ => return None,
        };
        Some(Self { cpu, wide })
    }

    /// Takes the next address or size.
    pub(crate) fn word(self, fields: &mut Fields<'_>) -> u64 {
        if self.wide { fields.u64() } else { u64::from(fields.u32()) }
    }
}

/// A part of the address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address behind its last one.
    pub end: u64,
}

/// What stands before the notes.
#[derive(Debug)]
pub struct Layout {
    /// The machine.
    pub machine: Machine,
    /// The mappings in the order of their addresses, as the kernel writes them.
    pub mappings: Vec<Mapping>,
    /// How many bytes of notes follow; the stream stands at the first one.
    pub notes: u64,
}

/// Reads up to the first note.
///
/// # Errors
/// [`ErrorKind::Input`] when it is not a core file of a machine that is known here, or ends before the notes; the kernel's.
pub fn read<R: Read>(stream: &mut Stream<R>) -> Result<Layout> {
    let what = || "cannot read the core file";
    let ident: [u8; 16] = stream.record().tried(what)?.ok_or_else(|| wrong("it is cut in its header"))?;
    if !ident.starts_with(&MAGIC) {
        return Err(wrong("it does not begin with ELF"));
    }
    let wide = match (ident.get(4), ident.get(5)) {
        (Some(1), Some(1)) => false,
        (Some(2), Some(1)) => true,
        _ => return Err(wrong("only little-endian machines are known")),
    };
    let mut rest = [0; 48];
    let rest = rest.get_mut(..if wide { 48 } else { 36 }).unwrap_or_default();
    if !stream.fill(rest).tried(what)? {
        return Err(wrong("it is cut in its header"));
    }
    let header = Header::parse(rest, wide)?;
    if !stream.skip(header.table.saturating_sub(stream.position())).tried(what)? {
        return Err(wrong("it has no program headers"));
    }
    header.read_table(stream)
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("this core file cannot be used: {why}"))
}

struct Header {
    machine: Machine,
    /// Where the program headers are, and how many.
    table: u64,
    count: u16,
}

impl Header {
    fn parse(bytes: &[u8], wide: bool) -> Result<Self> {
        let mut fields = Fields::new(bytes, Order::Little);
        if fields.u16() != CORE {
            return Err(wrong("it is another kind of ELF file"));
        }
        let number = fields.u16();
        let machine = Machine::of(number, wide);
        let machine = machine.ok_or_else(|| wrong(&format!("machine {number} is not known")))?;
        let mut fields = fields.skip(4);
        let (_entry, table, _sections) =
            (machine.word(&mut fields), machine.word(&mut fields), machine.word(&mut fields));
        let mut fields = fields.skip(6);
        let (size, count) = (fields.u16(), fields.u16());
        if size != if wide { 56 } else { 32 } {
            return Err(wrong(&format!("its program headers have {size} bytes")));
        }
        Ok(Self { machine, table, count })
    }

    fn read_table<R: Read>(&self, stream: &mut Stream<R>) -> Result<Layout> {
        let mut mappings = Vec::new();
        let mut notes = None;
        let mut left = if self.count == MANY { u64::MAX } else { u64::from(self.count) };
        while left > 0 {
            // The kernel writes the notes right after the headers, and says in the first header where. How many headers
            // there are stands at the file's end when there are many.
            if self.count == MANY && notes.is_some_and(|(offset, _)| stream.position() >= offset) {
                break;
            }
            let Some(header) = self.read_header(stream)? else {
                return Err(wrong("it is cut before its notes"));
            };
            match header {
                (NOTE, offset, _, size) => notes = notes.or(Some((offset, size))),
                (LOAD, _, start, size) if mappings.len() < MAX_MAPPINGS => {
                    mappings.push(Mapping { start, end: start.saturating_add(size) });
                }
                _ => {}
            }
            left = left.saturating_sub(1);
        }
        let (offset, size) = notes.ok_or_else(|| wrong("it has no notes"))?;
        let gap =
            offset.checked_sub(stream.position()).ok_or_else(|| wrong("its notes are not at their place"))?;
        if !stream.skip(gap).tried(|| "cannot read the core file")? {
            return Err(wrong("it is cut before its notes"));
        }
        mappings.sort_by_key(|mapping| mapping.start);
        Ok(Layout { machine: self.machine, mappings, notes: size })
    }

    /// The type of the next program header, its offset, its address, and its size: in the file for notes, in memory else.
    fn read_header<R: Read>(&self, stream: &mut Stream<R>) -> Result<Option<(u32, u64, u64, u64)>> {
        let mut bytes = [0; 56];
        let bytes = bytes.get_mut(..if self.machine.wide { 56 } else { 32 }).unwrap_or_default();
        if !stream.fill(bytes).tried(|| "cannot read the core file")? {
            return Ok(None);
        }
        let mut fields = Fields::new(bytes, Order::Little);
        let kind = fields.u32();
        if self.machine.wide {
            fields = fields.skip(4);
        }
        let mut word = || self.machine.word(&mut fields);
        let (offset, address, _physical, in_file, in_memory) = (word(), word(), word(), word(), word());
        Ok(Some((kind, offset, address, if kind == NOTE { in_file } else { in_memory })))
    }
}
