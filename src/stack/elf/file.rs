//! The headers of an ELF file: its build id, and where its sections are. Nothing else is kept of it.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::io::Read;

use crate::coredump::elf::{MAGIC, Machine};
use crate::crash::modules::build_id_in;
use crate::dump::fields::Fields;
use crate::dump::{Order, Source};
use crate::error::{Error, ErrorKind, Result, Tried};

/// The most program headers and section headers that are looked at, and bytes of section names and of notes.
const MAX_SEGMENTS: u16 = 1024;
const MAX_SECTIONS: u16 = 16_384;
const MAX_NAMES: u64 = 1 << 20;
const MAX_NOTES: u64 = 64 << 10;
/// `ET_EXEC` and `ET_DYN`.
const EXECUTABLES: [u16; 2] = [2, 3];
/// `PT_LOAD` and `PT_NOTE`.
const LOAD: u32 = 1;
const NOTE: u32 = 4;
/// `SHT_NOBITS`: the section has no bytes in the file.
const NO_BITS: u32 = 8;
/// `SHF_COMPRESSED`, and `ELFCOMPRESS_ZLIB`.
const COMPRESSED: u64 = 0x800;
const ZLIB: u32 = 1;
/// Where modules begin, at the latest: their mappings do, at a page.
const PAGE: u64 = 4096;

/// A section whose content is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    name: &'static str,
    /// Its address, as the file has it.
    pub address: u64,
    offset: u64,
    /// How many bytes it has in the file.
    pub size: u64,
    /// How many bytes it has once it is decompressed, if it is compressed in the one way that is known.
    plain: Option<u64>,
    compressed: bool,
}

/// The names of the sections that are looked at.
const KNOWN: [&str; 11] = [
    ".note.gnu.build-id",
    ".text",
    ".got",
    ".eh_frame",
    ".debug_frame",
    ".symtab",
    ".strtab",
    ".dynsym",
    ".dynstr",
    ".debug_line",
    ".debug_line_str",
];

/// What the headers of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The machine that it is for.
    pub machine: Machine,
    /// The address of its first mapping, as the file has it.
    pub base: u64,
    /// The GNU build id.
    pub build_id: Vec<u8>,
    sections: Vec<Section>,
}

impl Elf {
    /// Reads the headers of a program or library, or of its file of debug data.
    ///
    /// # Errors
    /// `Input` when it is none, is of another machine than the dumps that are known here, or has no build id; the operating
    /// system's error when it cannot be read.
    pub fn read(source: &impl Source) -> Result<Self> {
        let header = bytes(source, 0, 64)?;
        if !header.starts_with(&MAGIC) {
            return Err(wrong("it does not begin with ELF"));
        }
        let fields = Fields::new(&header, Order::Little);
        let wide = match (header.get(4), header.get(5)) {
            (Some(1), Some(1)) => false,
            (Some(2), Some(1)) => true,
            _ => return Err(wrong("only little-endian machines are known")),
        };
        let mut fields = fields.skip(16);
        if !EXECUTABLES.contains(&fields.u16()) {
            return Err(wrong("it is neither a program nor a library"));
        }
        let number = fields.u16();
        let machine = Machine::of(number, wide);
        let machine = machine.ok_or_else(|| wrong(&format!("machine {number} is not known")))?;
        let mut fields = fields.skip(4);
        let (_entry, segments, sections) =
            (machine.word(&mut fields), machine.word(&mut fields), machine.word(&mut fields));
        let mut fields = fields.skip(6);
        let segments = Table { offset: segments, size: fields.u16(), count: fields.u16().min(MAX_SEGMENTS) };
        let sections = Table { offset: sections, size: fields.u16(), count: fields.u16().min(MAX_SECTIONS) };
        let names = fields.u16();
        let mut elf = Self { machine, base: 0, build_id: Vec::new(), sections: Vec::new() };
        elf.read_sections(source, sections, names)?;
        elf.read_segments(source, segments)?;
        if elf.build_id.is_empty() {
            return Err(wrong("it has no build id").advise("link it with --build-id"));
        }
        Ok(elf)
    }

    fn read_sections(&mut self, source: &impl Source, table: Table, names: u16) -> Result<()> {
        let size = if self.machine.wide { 64 } else { 40 };
        let headers = table.read(source, size)?;
        let header = |number: u16| headers.chunks_exact(size).nth(usize::from(number));
        let Some((_, _, names)) = header(names).map(|header| self.section(header, "")) else {
            return Ok(());
        };
        let names = bytes(source, names.offset, names.size.min(MAX_NAMES))?;
        for header in headers.chunks_exact(size) {
            let (name, kind, _) = self.section(header, "");
            let name = usize::try_from(name).ok().and_then(|name| names.get(name..)).unwrap_or_default();
            let is_it = |known: &&&str| {
                name.strip_prefix(known.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
            };
            let known = KNOWN.iter().find(is_it).filter(|_| kind != NO_BITS);
            if let Some(known) = known.filter(|known| self.find(known).is_none()) {
                let (_, _, section) = self.section(header, known);
                let plain = if section.compressed { self.plain_size(source, section)? } else { None };
                self.sections.push(Section { plain, ..section });
            }
        }
        if let Some(notes) = self.find(".note.gnu.build-id") {
            self.build_id =
                build_id_in(&bytes(source, notes.offset, notes.size.min(MAX_NOTES))?).unwrap_or_default();
        }
        Ok(())
    }

    /// Where its name is, its type, and itself.
    fn section(&self, header: &[u8], name: &'static str) -> (u32, u32, Section) {
        let mut fields = Fields::new(header, Order::Little);
        let (place, kind) = (fields.u32(), fields.u32());
        let mut word = || self.machine.word(&mut fields);
        let (flags, address, offset, size) = (word(), word(), word(), word());
        let compressed = flags & COMPRESSED != 0;
        (place, kind, Section { name, address, offset, size, plain: None, compressed })
    }

    /// How large a compressed section says that it becomes.
    fn plain_size(&self, source: &impl Source, section: Section) -> Result<Option<u64>> {
        let header = bytes(source, section.offset, section.size.min(self.compression_header()))?;
        let mut fields = Fields::new(&header, Order::Little);
        let kind = fields.u32();
        let mut fields = if self.machine.wide { fields.skip(4) } else { fields };
        let size = self.machine.word(&mut fields);
        Ok(Some(size).filter(|_| kind == ZLIB))
    }

    /// How many bytes precede what is compressed.
    fn compression_header(&self) -> u64 {
        if self.machine.wide { 24 } else { 12 }
    }

    fn read_segments(&mut self, source: &impl Source, table: Table) -> Result<()> {
        let size = if self.machine.wide { 56 } else { 32 };
        let mut first: Option<u64> = None;
        for header in table.read(source, size)?.chunks_exact(size) {
            let mut fields = Fields::new(header, Order::Little);
            let kind = fields.u32();
            let mut fields = if self.machine.wide { fields.skip(4) } else { fields };
            let mut word = || self.machine.word(&mut fields);
            let (offset, address, _physical, length) = (word(), word(), word(), word());
            if kind == LOAD {
                first = Some(first.map_or(address, |first| first.min(address)));
            } else if kind == NOTE && self.build_id.is_empty() {
                let notes = bytes(source, offset, length.min(MAX_NOTES))?;
                self.build_id = build_id_in(&notes).unwrap_or_default();
            }
        }
        self.base = first.unwrap_or_default() & !PAGE.wrapping_sub(1);
        Ok(())
    }

    fn find(&self, name: &str) -> Option<Section> {
        self.sections.iter().find(|section| section.name == name).copied()
    }

    /// The section of this name, if the file has its bytes.
    #[must_use]
    pub fn section_named(&self, name: &str) -> Option<Section> {
        self.find(name).filter(|section| section.size > 0)
    }

    /// How many bytes the sections of these names have, once they are decompressed.
    #[must_use]
    pub fn size_of(&self, names: &[&str]) -> u64 {
        let sizes = names
            .iter()
            .filter_map(|name| self.section_named(name))
            .map(|section| section.plain.unwrap_or_default().max(section.size));
        sizes.fold(0, u64::saturating_add)
    }

    /// The address that the file has for one in the process, where its first mapping is at `base`.
    #[must_use]
    pub fn address(&self, base: u64, address: u64) -> u64 {
        address.wrapping_sub(base).wrapping_add(self.base)
    }

    /// What is in the section of this name, when it has at most `max` bytes, also once it is decompressed.
    ///
    /// # Errors
    /// `Input` when it is larger, is damaged, or is compressed in a way that is not known; the operating system's error when
    /// it cannot be read.
    pub fn content(&self, source: &impl Source, name: &str, max: u64) -> Result<Vec<u8>> {
        let Some(section) = self.section_named(name) else { return Ok(Vec::new()) };
        if section.size.max(section.plain.unwrap_or_default()) > max {
            return Err(wrong(&format!("{name} has more than {max} bytes")));
        }
        let content = bytes(source, section.offset, section.size)?;
        if !section.compressed {
            return Ok(content);
        }
        let size = section.plain.ok_or_else(|| wrong(&format!("{name} is not compressed with zlib")))?;
        let header = usize::try_from(self.compression_header()).unwrap_or_default();
        let (packed, mut plain) = (content.get(header..).unwrap_or_default(), Vec::new());
        let inflated = flate2::read::ZlibDecoder::new(packed).take(size).read_to_end(&mut plain);
        inflated.map_err(|error| wrong(&format!("{name} cannot be decompressed")).caused_by(error))?;
        Ok(plain)
    }
}

/// A table of headers.
#[derive(Debug, Clone, Copy)]
struct Table {
    offset: u64,
    size: u16,
    count: u16,
}

impl Table {
    fn read(self, source: &impl Source, size: usize) -> Result<Vec<u8>> {
        if usize::from(self.size) != size {
            return Ok(Vec::new());
        }
        bytes(source, self.offset, u64::from(self.size).saturating_mul(u64::from(self.count)))
    }
}

/// Up to `size` bytes from `offset` on: fewer when the file ends before.
fn bytes(source: &impl Source, offset: u64, size: u64) -> Result<Vec<u8>> {
    let what = || "cannot read the ELF file";
    let left = source.size().tried(what)?.saturating_sub(offset).min(size);
    let mut bytes = vec![0; usize::try_from(left).unwrap_or_default()];
    let mut done: usize = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(done).unwrap_or_default());
        match source.read_at(at, rest) {
            Ok(0) => break,
            Ok(more) => done = done.saturating_add(more),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).tried(what),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("this ELF file cannot be used: {why}"))
}
