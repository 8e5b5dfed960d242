//! The bytes of a minidump under construction.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

/// `MINIDUMP_LOCATION_DESCRIPTOR`: size and offset.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) size: u32,
    pub(super) offset: u32,
}

/// Bytes, and numbers as a little-endian machine has them.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
}

impl Buffer {
    /// Where the next byte goes. A dump has far less than 4 GiB.
    pub(super) fn position(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn u16(&mut self, number: u16) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    pub(super) fn u32(&mut self, number: u32) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    pub(super) fn u64(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn zeros(&mut self, count: usize) -> &mut Self {
        self.bytes.resize(self.bytes.len().saturating_add(count), 0);
        self
    }

    pub(super) fn place(&mut self, place: Place) -> &mut Self {
        self.u32(place.size).u32(place.offset)
    }

    /// Adds bytes that something else points at, at a multiple of 8.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Place {
        let padding = self.bytes.len().next_multiple_of(8).saturating_sub(self.bytes.len());
        self.zeros(padding);
        let offset = self.position();
        self.raw(bytes);
        Place { size: self.position().saturating_sub(offset), offset }
    }

    /// Adds a `MINIDUMP_STRING` and gives its offset. What is not UTF-8 is replaced.
    pub(super) fn text(&mut self, text: &[u8]) -> u32 {
        let units: Vec<u16> = String::from_utf8_lossy(text).encode_utf16().collect();
        let size = u32::try_from(units.len()).unwrap_or(0).saturating_mul(2);
        let offset = self.add(&size.to_le_bytes()).offset;
        for unit in units {
            self.u16(unit);
        }
        self.u16(0);
        offset
    }
}
