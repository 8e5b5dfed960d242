//! What the harvest sees of an image, whoever reads it: candidates for dumps, and their bytes.

use std::fs::File;

use crate::error::Result;

/// The directories of an image in which dumps lie: the top, and where Crashpad's database keeps them.
pub const DIRS: [&str; 4] = ["", "new", "pending", "completed"];

/// The most directory entries that are looked at in one directory.
pub const MAX_ENTRIES: usize = 65_536;

/// A directory entry whose name ends in `.dmp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The directory it lies in, one of [`DIRS`].
    pub dir: &'static str,
    /// Its name as the container wrote it: any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with its length in bytes and its modification time in seconds since 1970, both as the container
    /// left them.
    Regular {
        /// The length that the inode claims.
        size: u64,
        /// When it was last written, as the container's clock or the container itself says.
        modified: i64,
    },
    /// Anything else, by name: it is never opened.
    Other(&'static str),
}

/// What was found in an image.
#[derive(Debug, Default)]
pub struct Listing {
    /// The entries whose names end in `.dmp`.
    pub candidates: Vec<Candidate>,
    /// Whether a directory had more than [`MAX_ENTRIES`] entries, so that not all were looked at.
    pub cut: bool,
}

/// A way to read an image.
pub trait ImageFiles {
    /// The candidates in all of [`DIRS`].
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Corrupt`] when the file system cannot be read.
    fn list(&mut self) -> Result<Listing>;

    /// The first four bytes of a regular file; fewer when it is shorter.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Corrupt`] when the image cannot be read.
    fn head(&mut self, candidate: &Candidate) -> Result<Vec<u8>>;

    /// Copies at most `limit` bytes of a regular file to `target`, holes as holes. Gives the count of bytes.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Corrupt`] when the image cannot be read; else those of writing.
    fn copy(&mut self, candidate: &Candidate, limit: u64, target: &File) -> Result<u64>;
}

/// Whether a name is that of a dump, as Dobby's plugin sees it: it ends in `.dmp`.
#[must_use]
pub fn is_dump_name(name: &[u8]) -> bool {
    name.ends_with(b".dmp")
}

/// Copies what `read` yields into `target`, 64 KiB at a time; `read` gives 0 at the end. Zeros become holes.
///
/// # Errors
/// Those of `read` and of writing.
pub fn pump(target: &File, limit: u64, mut read: impl FnMut(&mut [u8]) -> Result<usize>) -> Result<u64> {
    use crate::error::Tried;
    use std::os::unix::fs::FileExt;

    let mut chunk = vec![0; 64 << 10];
    let mut at: u64 = 0;
    while at < limit {
        let want = usize::try_from(limit - at).unwrap_or(usize::MAX).min(chunk.len());
        let count = fill(chunk.get_mut(..want).unwrap_or_default(), &mut read)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        if bytes.iter().any(|byte| *byte != 0) {
            target.write_all_at(bytes, at).tried(|| "cannot write the copy")?;
        }
        at += u64::try_from(count).unwrap_or(u64::MAX);
    }
    target.set_len(at).tried(|| "cannot write the copy")?;
    Ok(at)
}

/// Reads until `chunk` is full or there is no more: the user-space reader gives one block at a time.
fn fill(chunk: &mut [u8], read: &mut impl FnMut(&mut [u8]) -> Result<usize>) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read(rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
