//! What is saved of the memory: the stacks, and what the registers of the crashed thread point at.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::coredump::{Head, registers};
use crate::dump::records::Cpu;
use crate::dump::write::Piece;

/// Bytes of stack of the crashed thread, of each other one, and of all others together.
const MAX_CRASHED: u64 = 256 << 10;
const MAX_OTHER: u64 = 32 << 10;
const MAX_OTHERS: u64 = 768 << 10;
/// What lies below the stack pointer and still is in use: the red zone of x86-64.
const RED_ZONE: u64 = 128;
/// How far a stack may lie above its pointer when it has overflowed: a large frame was to go below the guard.
const MAX_OVERFLOW: u64 = 16 << 20;
/// Bytes around what a register points at.
const AROUND: u64 = 256;

/// What was saved.
#[derive(Debug, Default)]
pub struct Saved {
    /// The pieces; none overlaps another.
    pub pieces: Vec<Piece>,
    /// Which piece is the stack of each thread.
    pub stacks: Vec<Option<usize>>,
}

/// Saves memory of a process.
#[must_use]
pub fn save(head: &Head, memory: &File) -> Saved {
    let mut saved = Saved::default();
    let others = u64::try_from(head.threads.len()).unwrap_or(1).saturating_sub(1).max(1);
    let other = MAX_OTHERS.checked_div(others).unwrap_or(0).min(MAX_OTHER);
    let cpu = head.machine.cpu;
    for (n, thread) in head.threads.iter().enumerate() {
        let most = if n == 0 { MAX_CRASHED } else { other };
        let range = registers::stack_pointer(cpu, thread).and_then(|pointer| stack(head, pointer, most));
        let stack = range.and_then(|(start, end)| saved.add(memory, start, end));
        saved.stacks.push(stack);
    }
    if let Some(crashed) = head.threads.first() {
        for value in registers::values(cpu, crashed) {
            if let Some((start, end)) = around(head, value) {
                saved.add(memory, start, end);
            }
        }
    }
    saved
}

/// The part of a stack that is in use, at most `most` bytes.
fn stack(head: &Head, pointer: u64, most: u64) -> Option<(u64, u64)> {
    let red_zone = if head.machine.cpu == Cpu::X86_64 { RED_ZONE } else { 0 };
    let mapping = head.mapping_from(pointer)?;
    if mapping.start > pointer.saturating_add(MAX_OVERFLOW) {
        return None;
    }
    let start = pointer.saturating_sub(red_zone).max(mapping.start);
    Some((start, mapping.end.min(start.saturating_add(most))))
}

/// The bytes around an address that is mapped.
fn around(head: &Head, address: u64) -> Option<(u64, u64)> {
    let mapping = head.mapping_from(address).filter(|mapping| mapping.start <= address)?;
    let start = address.saturating_sub(AROUND).max(mapping.start);
    Some((start, address.saturating_add(AROUND).min(mapping.end)))
}

impl Saved {
    /// Overwrites what was saved of a range with zeros.
    pub fn blank(&mut self, range: &Range<u64>) {
        for piece in &mut self.pieces {
            let place =
                |address: u64| usize::try_from(address.saturating_sub(piece.start)).unwrap_or(usize::MAX);
            let end = place(range.end).min(piece.bytes.len());
            if let Some(bytes) = piece.bytes.get_mut(place(range.start)..end) {
                bytes.fill(0);
            }
        }
    }

    /// Saves a piece that overlaps no other; gives its place in the list.
    fn add(&mut self, memory: &File, start: u64, end: u64) -> Option<usize> {
        let end_of =
            |piece: &Piece| piece.start.saturating_add(u64::try_from(piece.bytes.len()).unwrap_or(0));
        if self.pieces.iter().any(|piece| piece.start < end && start < end_of(piece)) {
            return None;
        }
        let bytes = read(memory, start, end.saturating_sub(start));
        if bytes.is_empty() {
            return None;
        }
        self.pieces.push(Piece { start, bytes });
        self.pieces.len().checked_sub(1)
    }
}

/// Reads memory up to the first page that is not there.
#[must_use]
pub fn read(memory: &File, start: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut got = 0_usize;
    while let Some(rest) = bytes.get_mut(got..).filter(|rest| !rest.is_empty()) {
        let at = start.saturating_add(u64::try_from(got).unwrap_or(0));
        // Addresses of the kernel's half cannot be offsets of a file.
        match memory.read_at(rest, at) {
            Ok(count) if count > 0 => got = got.saturating_add(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
    bytes.truncate(got);
    bytes
}
