//! Taking a record apart, field by field.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

/// The fields of a record that were not taken yet. Whoever takes more than there is gets zeros.
///
/// Minidumps are little-endian on every CPU that writes `MDMP` and not `PMDM` at their start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => {
                self.0 = &[];
                [0; N]
            }
        }
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// The same fields without the next `count` bytes.
    pub(super) fn skip(mut self, count: usize) -> Self {
        self.0 = self.0.get(count..).unwrap_or_default();
        self
    }

    /// What was not taken.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}
