//! The streams that are lists. What a record points at is written before the list.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::dump::write::buffer::{Buffer, Place};
use crate::dump::write::contents::{Contents, Module, Piece, Thread};

/// Breakpad's `MD_CVINFOELF_SIGNATURE`.
const ELF: u32 = 0x4270_454c;

/// Begins a stream with the number of its records.
fn list(count: usize) -> Buffer {
    let mut list = Buffer::default();
    list.u32(u32::try_from(count).unwrap_or(0));
    list
}

/// The pieces of memory: the bytes of each, and the list of them.
pub(super) fn memory(buffer: &mut Buffer, pieces: &[Piece]) -> (Vec<Place>, Place) {
    let places: Vec<Place> = pieces.iter().map(|piece| buffer.add(&piece.bytes)).collect();
    let mut stream = list(pieces.len());
    for (piece, place) in pieces.iter().zip(&places) {
        stream.u64(piece.start).place(*place);
    }
    let stream = buffer.add(&stream.bytes);
    (places, stream)
}

/// The threads: the registers of each, and the list of them.
pub(super) fn threads(buffer: &mut Buffer, contents: &Contents, memory: &[Place]) -> (Vec<Place>, Place) {
    let contexts: Vec<Place> = contents.threads.iter().map(|thread| buffer.add(&thread.context)).collect();
    let mut stream = list(contents.threads.len());
    for (thread, context) in contents.threads.iter().zip(&contexts) {
        let stack = thread.stack.and_then(|at| Some((contents.memory.get(at)?.start, *memory.get(at)?)));
        let (start, place) = stack.unwrap_or_default();
        // Suspend count, priority class, priority, and the environment block, which Linux does not have.
        stream.u32(thread.id).zeros(20).u64(start).place(place).place(*context);
    }
    let stream = buffer.add(&stream.bytes);
    (contexts, stream)
}

/// The names of the threads that have one.
pub(super) fn names(buffer: &mut Buffer, threads: &[Thread]) -> Place {
    let named: Vec<&Thread> = threads.iter().filter(|thread| !thread.name.is_empty()).collect();
    let texts: Vec<u32> = named.iter().map(|thread| buffer.text(&thread.name)).collect();
    let mut stream = list(named.len());
    for (thread, text) in named.iter().zip(texts) {
        stream.u32(thread.id).u64(u64::from(text));
    }
    buffer.add(&stream.bytes)
}

/// The modules, with what identifies their builds.
pub(super) fn modules(buffer: &mut Buffer, modules: &[Module]) -> Place {
    let mut stream = list(modules.len());
    for module in modules {
        let name = buffer.text(&module.name);
        let build = if module.build_id.is_empty() {
            Place::default()
        } else {
            buffer.add(&[&ELF.to_le_bytes(), module.build_id.as_slice()].concat())
        };
        let size = u32::try_from(module.size).unwrap_or(u32::MAX);
        // Checksum and time; then VS_FIXEDFILEINFO, which only Windows has.
        stream.u64(module.base).u32(size).zeros(8).u32(name).zeros(52);
        // The debug record of old and what is reserved.
        stream.place(build).zeros(24);
    }
    buffer.add(&stream.bytes)
}
