//! The program and its libraries: mapped files that are ELF, with their build ids as they lie in memory. No file is opened.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fs::File;

use crate::coredump::Head;
use crate::coredump::elf::{MAGIC, Machine};
use crate::crash::memory::read;
use crate::dump::Order;
use crate::dump::fields::Fields;
use crate::dump::write::Module;

/// `AT_ENTRY` and `AT_SYSINFO_EHDR` (getauxval(3)).
const ENTRY: u64 = 9;
const VDSO: u64 = 33;
/// What Breakpad calls the part of the kernel in every process.
const VDSO_NAME: &[u8] = b"linux-gate.so";
/// Program headers of a file that are looked at, and bytes of its notes.
const MAX_HEADERS: u16 = 64;
const MAX_NOTES: u64 = 4096;
/// The longest build id; GNU ones have 20 bytes.
const MAX_BUILD_ID: usize = 64;
/// `PT_LOAD`, `PT_NOTE` and `NT_GNU_BUILD_ID`.
const LOAD: u32 = 1;
const NOTE: u32 = 4;
const BUILD_ID: u32 = 3;

/// The modules of a process; the program comes first.
#[must_use]
pub fn modules(head: &Head, memory: &File) -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    for file in &head.files {
        let size = file.end.saturating_sub(file.start);
        modules.extend(module(memory, head.machine, (file.start, size), &file.name));
    }
    if let Some(entry) = head.auxiliary(ENTRY) {
        let is_program = |module: &Module| entry.checked_sub(module.base).is_some_and(|at| at < module.size);
        if let Some(at) = modules.iter().position(is_program) {
            modules.get_mut(..=at).unwrap_or_default().rotate_right(1);
        }
    }
    let vdso = head.auxiliary(VDSO).and_then(|start| head.mapping_from(start).filter(|m| m.start == start));
    if let Some(mapping) = vdso {
        let range = (mapping.start, mapping.end.saturating_sub(mapping.start));
        modules.extend(module(memory, head.machine, range, VDSO_NAME));
    }
    modules
}

/// The file that is mapped there, if it is ELF.
fn module(memory: &File, machine: Machine, (base, size): (u64, u64), name: &[u8]) -> Option<Module> {
    let header = read(memory, base, 64);
    if !header.starts_with(&MAGIC) {
        return None;
    }
    let build_id = build_id(memory, machine, base, &header).unwrap_or_default();
    Some(Module { base, size, name: name.to_owned(), build_id })
}

/// Looks through the notes of the file.
fn build_id(memory: &File, machine: Machine, base: u64, header: &[u8]) -> Option<Vec<u8>> {
    let fields = Fields::new(header, Order::Little);
    let (mut table, counts) = if machine.wide { (fields.skip(32), 54) } else { (fields.skip(28), 42) };
    let table = machine.word(&mut table);
    let mut counts = fields.skip(counts);
    let (size, count) = (counts.u16(), counts.u16().min(MAX_HEADERS));
    if size != if machine.wide { 56 } else { 32 } {
        return None;
    }
    let headers = read(memory, base.checked_add(table)?, u64::from(size).checked_mul(u64::from(count))?);
    let mut first = None;
    let mut notes = Vec::new();
    for header in headers.chunks_exact(usize::from(size)) {
        let mut fields = Fields::new(header, Order::Little);
        let kind = fields.u32();
        let mut fields = if machine.wide { fields.skip(4) } else { fields };
        let mut word = || machine.word(&mut fields);
        let (_offset, address, _physical, length) = (word(), word(), word(), word());
        match kind {
            LOAD => first = first.or(Some(address)),
            NOTE => notes.push((address, length.min(MAX_NOTES))),
            _ => {}
        }
    }
    let find = |(address, length): (u64, u64)| {
        let start = base.wrapping_sub(first.unwrap_or(0)).wrapping_add(address);
        build_id_in(&read(memory, start, length))
    };
    notes.into_iter().find_map(find)
}

/// Finds `NT_GNU_BUILD_ID` among notes.
pub(crate) fn build_id_in(notes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = notes;
    while rest.len() >= 12 {
        let mut fields = Fields::new(rest, Order::Little);
        let (name, size, kind) = (fields.u32(), fields.u32(), fields.u32());
        let (name, size) = (usize::try_from(name).ok()?, usize::try_from(size).ok()?);
        let after = fields.skip(name.checked_next_multiple_of(4)?).rest();
        if kind == BUILD_ID && fields.rest().starts_with(b"GNU\0") {
            return after
                .get(..size)
                .filter(|id| !id.is_empty() && id.len() <= MAX_BUILD_ID)
                .map(<[u8]>::to_owned);
        }
        rest = after.get(size.checked_next_multiple_of(4)?..)?;
    }
    None
}
