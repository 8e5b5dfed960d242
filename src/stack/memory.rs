//! The memory in a dump that has all of it (`MINIDUMP_MEMORY64_LIST`): it lies at the end of the file, which may be as large as
//! the process was. So only the part that is asked for is read.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::dump::Source;
use crate::dump::fields::Fields;
use crate::dump::minidump::Minidump;
use crate::error::Result;

/// The most pieces of memory that are looked at. The kernel's default limit is 65,530 mappings (`vm.max_map_count`).
const MAX_PIECES: usize = 65_536;
/// How many bytes precede the pieces, and how many describe one.
const HEAD: usize = 16;
const PIECE: usize = 16;

/// A piece of memory, and where it is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    start: u64,
    size: u64,
    offset: u64,
}

/// Where the memory of a process is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FullMemory {
    /// Where the memory begins in the file.
    pub(super) offset: u64,
    pieces: Vec<Piece>,
}

impl FullMemory {
    /// Reads the list; `None` when the dump has none.
    ///
    /// # Errors
    /// The operating system's, when the dump cannot be read.
    pub(super) fn read<S: Source + ?Sized>(dump: &Minidump<'_, S>) -> Result<Option<Self>> {
        let Some(location) = dump.streams.full_memory else { return Ok(None) };
        let bytes = dump.bytes::<{ HEAD + PIECE * MAX_PIECES }>(location)?;
        let mut fields = Fields::new(&bytes, dump.order);
        let (count, offset) = (fields.u64(), fields.u64());
        let mut memory = Self { offset, pieces: Vec::new() };
        let mut at = offset;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        for piece in fields.rest().chunks_exact(PIECE).take(count) {
            let mut fields = Fields::new(piece, dump.order);
            let (start, size) = (fields.u64(), fields.u64());
            memory.pieces.push(Piece { start, size, offset: at });
            // Nothing can follow a piece that reaches beyond any file.
            let Some(next) = at.checked_add(size) else { break };
            at = next;
        }
        Ok(Some(memory))
    }

    /// Whether a piece has `address`.
    pub(super) fn holds(&self, address: u64) -> bool {
        self.find(address).is_some()
    }

    /// The piece that has `address`, and how far in it that is.
    fn find(&self, address: u64) -> Option<(&Piece, u64)> {
        self.pieces.iter().find_map(|piece| {
            let inside = address.checked_sub(piece.start)?;
            (inside < piece.size).then_some((piece, inside))
        })
    }

    /// Up to `length` bytes of the piece that has `address`, from `before` bytes below it on, and the address of the first.
    pub(super) fn around(
        &self,
        source: &dyn Source,
        address: u64,
        (before, length): (u64, u64),
    ) -> Option<(u64, Vec<u8>)> {
        let (piece, inside) = self.find(address)?;
        let skipped = inside.saturating_sub(before);
        let offset = piece.offset.checked_add(skipped)?;
        let left = source.size().ok()?.saturating_sub(offset).min(piece.size.saturating_sub(skipped));
        let mut bytes = vec![0; usize::try_from(left.min(length)).ok()?];
        let mut done: usize = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match source.read_at(offset.checked_add(u64::try_from(done).ok()?)?, rest) {
                Ok(0) | Err(_) => break,
                Ok(more) => done = done.saturating_add(more),
            }
        }
        bytes.truncate(done);
        Some((piece.start.checked_add(skipped)?, bytes))
    }
}
