//! The table of line numbers: `.debug_line`. Of code that was inlined, the innermost line counts.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use gimli::{
    AttributeValue, DebugLine, DebugLineOffset, DebugLineStr, IncompleteLineProgram, LineProgramHeader,
    LineRow, LittleEndian,
};

use super::evaluate::Bytes;
use super::file::Elf;
use crate::dump::fields::Fields;
use crate::dump::{Order, Source};
use crate::error::Result;

/// The sections that have it.
pub const SECTIONS: [&str; 2] = [".debug_line", ".debug_line_str"];
/// The largest section.
const MAX_SIZE: u64 = 128 << 20;
/// The most bytes that name the files of one program: each may take many times as much memory.
const MAX_HEADER: u64 = 1 << 20;
/// The longest path of a source file, in bytes.
const MAX_PATH: usize = 4096;

/// Code that lies together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sequence {
    start: u64,
    end: u64,
    /// The program whose rows describe it.
    program: usize,
}

/// The lines of a file.
#[derive(Debug, Default)]
pub struct Lines {
    programs: Vec<u8>,
    paths: Vec<u8>,
    sequences: Vec<Sequence>,
    word: u8,
}

impl Lines {
    /// Reads the table of a file.
    ///
    /// # Errors
    /// `Input` when it is larger than any real one; the operating system's error when it cannot be read.
    pub fn read(elf: &Elf, source: &impl Source) -> Result<Self> {
        let [programs, paths] = SECTIONS;
        let word = if elf.machine.wide { 8 } else { 4 };
        let mut lines = Self {
            programs: elf.content(source, programs, MAX_SIZE)?,
            paths: elf.content(source, paths, MAX_SIZE)?,
            sequences: Vec::new(),
            word,
        };
        lines.sequences = lines.index();
        lines.sequences.sort_unstable();
        Ok(lines)
    }

    /// Runs every program once. All begins where the one before ends, so that no byte is read twice.
    fn index(&self) -> Vec<Sequence> {
        let (mut sequences, mut at) = (Vec::new(), 0);
        while let Some((header, next)) = self.bounds(at) {
            if let Some(program) = self.program(at).filter(|_| header <= MAX_HEADER) {
                let mut rows = program.rows();
                let mut start = None;
                while let Ok(Some((_, row))) = rows.next_row() {
                    let from = *start.get_or_insert(row.address());
                    if row.end_sequence() {
                        // Code that the linker has left out is at 0.
                        if from > 0 && from < row.address() {
                            sequences.push(Sequence { start: from, end: row.address(), program: at });
                        }
                        start = None;
                    }
                }
            }
            at = next;
        }
        sequences
    }

    /// How many bytes the header has of the program at `at`, and where the next program is.
    fn bounds(&self, at: usize) -> Option<(u64, usize)> {
        let rest = self.programs.get(at..).filter(|rest| !rest.is_empty())?;
        let mut fields = Fields::new(rest, Order::Little);
        let (length, wide) = match fields.u32() {
            u32::MAX => (fields.u64(), true),
            length => (u64::from(length), false),
        };
        let before: usize = if wide { 12 } else { 4 };
        let next = at.checked_add(before)?.checked_add(usize::try_from(length).ok()?)?;
        let mut fields = if fields.u16() >= 5 { fields.skip(2) } else { fields };
        let header = if wide { fields.u64() } else { u64::from(fields.u32()) };
        Some((header, next))
    }

    fn program(&self, at: usize) -> Option<IncompleteLineProgram<Bytes<'_>>> {
        let section = DebugLine::new(&self.programs, LittleEndian);
        section.program(DebugLineOffset(at), self.word, None, None).ok()
    }

    /// The source file and the line of an address of the file. `left` is how many rows may still be looked at.
    #[must_use]
    pub fn at(&self, address: u64, left: &mut u64) -> Option<(String, u32)> {
        let behind = self.sequences.partition_point(|sequence| sequence.start <= address);
        let sequence =
            self.sequences.get(behind.checked_sub(1)?).filter(|sequence| address < sequence.end)?;
        let mut rows = self.program(sequence.program)?.rows();
        let (mut inside, mut found): (bool, Option<LineRow>) = (false, None);
        while let Ok(Some((header, row))) = rows.next_row() {
            *left = left.checked_sub(1)?;
            inside |= row.address() == sequence.start && !row.end_sequence();
            if inside && (row.address() > address || row.end_sequence()) {
                let found = found?;
                return Some((self.path(header, &found)?, u32::try_from(found.line()?.get()).ok()?));
            }
            if inside {
                found = Some(*row);
            }
        }
        None
    }

    fn path(&self, header: &LineProgramHeader<Bytes<'_>>, row: &LineRow) -> Option<String> {
        let file = row.file(header)?;
        let name = self.text(file.path_name())?;
        let directory = file.directory(header).and_then(|directory| self.text(directory));
        let directory = directory.filter(|directory| !directory.is_empty() && !name.starts_with('/'));
        Some(directory.map_or_else(|| name.clone(), |directory| format!("{directory}/{name}")))
    }

    /// A path, or a part of one.
    fn text(&self, value: AttributeValue<Bytes<'_>>) -> Option<String> {
        let bytes = match value {
            AttributeValue::String(bytes) => bytes,
            AttributeValue::DebugLineStrRef(offset) => {
                DebugLineStr::from(Bytes::new(&self.paths, LittleEndian)).get_str(offset).ok()?
            }
            _ => return None,
        };
        let bytes = bytes.slice();
        Some(String::from_utf8_lossy(bytes.get(..MAX_PATH).unwrap_or(bytes)).into_owned())
    }
}
