//! Which file is mapped where: the note `NT_FILE`.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::coredump::elf::Machine;
use crate::dump::Order;
use crate::dump::fields::Fields;

/// The most files that are kept; a browser has about 300.
const MAX_FILES: usize = 2048;
/// The longest name that is kept, in bytes: `PATH_MAX`.
const MAX_NAME: usize = 4096;

/// A file that is mapped from its beginning on, with the mappings of it that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedFile {
    /// Its first address.
    pub start: u64,
    /// The address behind its last one.
    pub end: u64,
    /// Its path as the container sees it: bytes that the container chose, never to be opened.
    pub name: Vec<u8>,
}

/// Reads the note. What is cut, or has more files than are kept, gives those that came before.
#[must_use]
pub fn parse(note: &[u8], machine: Machine) -> Vec<MappedFile> {
    let mut ranges = Fields::new(note, Order::Little);
    let (count, _page_size) = (machine.word(&mut ranges), machine.word(&mut ranges));
    let size = if machine.wide { 24 } else { 12 };
    let Some(table) = usize::try_from(count).ok().and_then(|count| count.checked_mul(size)) else {
        return Vec::new();
    };
    let names = ranges.skip(table).rest();
    let mut files: Vec<MappedFile> = Vec::new();
    for name in names.split(|byte| *byte == 0).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let mut word = || machine.word(&mut ranges);
        let (start, end, page) = (word(), word(), word());
        let name = name.get(..MAX_NAME).unwrap_or(name);
        let last = files.last_mut().filter(|last| page > 0 && last.name == name && start >= last.end);
        if let Some(last) = last {
            last.end = end.max(last.end);
        } else if page == 0 && end > start && files.len() < MAX_FILES {
            files.push(MappedFile { start, end, name: name.to_owned() });
        }
    }
    files
}
