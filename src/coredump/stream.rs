//! The bytes of a core file as they come, up to a limit.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::io::{self, BufReader, ErrorKind, Read};

/// The most bytes of a head that are read. With 65,535 mappings and 3,000 threads, it has 18 MB.
pub const MAX_HEAD: u64 = 64 << 20;
/// How much is asked of the pipe at once: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// A core file that is read from its beginning.
#[derive(Debug)]
pub struct Stream<R> {
    from: BufReader<R>,
    at: u64,
}

impl<R: Read> Stream<R> {
    /// A core file from its first byte on.
    pub fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(CHUNK, from), at: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Fills `buffer`; false when the file ends before, or the limit is reached.
    ///
    /// # Errors
    /// The kernel's.
    pub fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let length = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let end = self.at.saturating_add(length);
        if end > MAX_HEAD {
            return Ok(false);
        }
        match self.from.read_exact(buffer) {
            Ok(()) => {
                self.at = end;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                // What comes later is not in step any more.
                self.at = MAX_HEAD;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The next `N` bytes; `None` where [`Stream::fill`] gives false.
    ///
    /// # Errors
    /// The kernel's.
    pub fn record<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut record = [0; N];
        Ok(self.fill(&mut record)?.then_some(record))
    }

    /// Passes over `count` bytes; false where [`Stream::fill`] gives false.
    ///
    /// # Errors
    /// The kernel's.
    pub fn skip(&mut self, mut count: u64) -> io::Result<bool> {
        let mut waste = [0; 4096];
        while count > 0 {
            let length = usize::try_from(count).unwrap_or(waste.len()).min(waste.len());
            if !self.fill(waste.get_mut(..length).unwrap_or_default())? {
                return Ok(false);
            }
            count = count.saturating_sub(u64::try_from(length).unwrap_or(count));
        }
        Ok(true)
    }
}
