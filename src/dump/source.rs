//! Where the bytes of a dump come from. Nothing is loaded whole: dumps can be as large as the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that can be read at any place, without a cursor that readers would have to share.
pub trait Source {
    /// How many bytes there are.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    fn size(&self) -> io::Result<u64>;

    /// Reads at `offset` into `buffer` and returns how many bytes it got; 0 means the end, as in pread(2).
    ///
    /// # Errors
    /// When reading fails. Reading beyond the end is none.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl Source for [u8] {
    fn size(&self) -> io::Result<u64> {
        u64::try_from(self.len()).map_err(io::Error::other)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let (from, to) = match rest.get(..buffer.len()) {
            Some(enough) => (enough, buffer),
            None => (rest, buffer.get_mut(..rest.len()).unwrap_or_default()),
        };
        to.copy_from_slice(from);
        Ok(from.len())
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }
}
