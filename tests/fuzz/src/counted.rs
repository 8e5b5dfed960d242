//! Bytes that count how often they are read.

use std::cell::Cell;
use std::io;

use oci_minidump::dump::Source;

/// The bytes, and the count.
pub struct Counted<'a> {
    bytes: &'a [u8],
    reads: Cell<usize>,
}

impl<'a> Counted<'a> {
    /// Bytes that were not read yet.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, reads: Cell::new(0) }
    }

    /// How often they were read.
    pub fn reads(&self) -> usize {
        self.reads.get()
    }
}

impl Source for Counted<'_> {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        self.bytes.read_at(offset, buffer)
    }
}
