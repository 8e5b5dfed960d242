//! What the harvest sees of an image, whatever reads it: candidates for dumps, and their bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::deadline::Deadline;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Result, Tried};
use crate::log::{cut, escape};

/// How many of the files that are not dumps are named.
const MAX_NAMED: usize = 5;
/// What is copied at once.
const CHUNK: usize = 64 << 10;

/// Where a file lies in an image. Both parts are as the container wrote them: any bytes but NUL.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The directory, without a slash at either end; empty for the top.
    pub dir: Vec<u8>,
    /// The name in it.
    pub name: Vec<u8>,
}

impl Place {
    /// The path below the root of the image.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        let slash: &[u8] = if self.dir.is_empty() { b"" } else { b"/" };
        [self.dir.as_slice(), slash, self.name.as_slice()].concat()
    }

    /// The path as text; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.path()).into_owned()
    }
}

/// A point in time, as a container's clock or the container itself says: anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that, below a billion.
    pub nanoseconds: u32,
}

/// A directory entry whose name ends in `.dmp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies. A file with several names has one of them here.
    pub place: Place,
    /// The number of its inode.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
    /// Crashpad's metadata of the dump, and the length that it claims: the regular file beside it whose name ends in
    /// `.meta` instead.
    pub meta: Option<(Place, u64)>,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular {
        /// The length in bytes that the inode claims.
        size: u64,
        /// When it was last written.
        modified: Time,
    },
    /// A directory.
    Directory,
    /// Anything else, by name: it is never opened.
    Other(&'static str),
}

/// What was found in an image.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files whose names end in `.dmp`, each once.
    pub candidates: Vec<Candidate>,
    /// What lies beside them.
    pub rest: Rest,
    /// How many more names the candidates have (hard links).
    pub links: u64,
    /// Whether there were too many files to look at all of them.
    pub cut: bool,
}

/// What lies in an image beside the dumps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// How many files there are, and directories that lie too deep to look into.
    pub count: usize,
    /// The paths of the first few.
    pub names: Vec<Vec<u8>>,
}

impl Rest {
    /// Counts one more.
    pub fn add(&mut self, path: Vec<u8>) {
        self.count += 1;
        if self.names.len() < MAX_NAMED {
            self.names.push(path);
        }
    }
}

impl std::fmt::Display for Rest {
    /// `3 other files (core.123, settings.dat, notes/a.txt)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> =
            self.names.iter().map(|name| cut(&escape(&String::from_utf8_lossy(name)))).collect();
        let plural = if self.count == 1 { "" } else { "s" };
        let more = if self.count > names.len() { ", ..." } else { "" };
        write!(f, "{} other file{plural} ({}{more})", self.count, names.join(", "))
    }
}

/// A way to read an image.
pub trait ImageFiles {
    /// The candidates.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when the file system cannot be read, [`ErrorKind::Timeout`] past the `deadline`.
    fn list(&mut self, deadline: Deadline) -> Result<Listing>;

    /// The first four bytes of a regular file; fewer when it is shorter.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when the image cannot be read; [`ErrorKind::NotFound`] and [`ErrorKind::Attack`] when the
    /// file has gone, or has become something else, since it was listed.
    fn head(&mut self, place: &Place) -> Result<Vec<u8>>;

    /// Copies at most `limit` bytes of a regular file to `target`, holes as holes. Gives the count of bytes.
    ///
    /// # Errors
    /// As [`ImageFiles::head`], [`ErrorKind::Busy`] when the file may still change, those of writing, and [`ErrorKind::Timeout`] past the `deadline`.
    fn copy(&mut self, place: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64>;

    /// Whether dumps that are safe on the host are taken out of the image one by one ([`ImageFiles::remove`]).
    fn removes(&self) -> bool {
        false
    }

    /// Takes a dump that was copied, and is safe on the host, out of the image.
    ///
    /// # Errors
    /// The kernel's; the dump is still in the image then.
    fn remove(&mut self, _dump: &Candidate) -> Result<()> {
        Ok(())
    }
}

/// Whether a name is that of a dump, as Dobby's plugin sees it: it ends in `.dmp`.
#[must_use]
pub fn is_dump_name(name: &[u8]) -> bool {
    name.ends_with(b".dmp")
}

/// Copies what `read` yields into `target`, 64 KiB at a time; `read` gives 0 at the end. Zeros become holes.
///
/// # Errors
/// Those of `read` and of writing, and [`ErrorKind::Timeout`] past the `deadline`.
pub fn pump(
    target: &File,
    limit: u64,
    deadline: Deadline,
    mut read: impl FnMut(&mut [u8]) -> Result<usize>,
) -> Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut at: u64 = 0;
    while at < limit {
        deadline.check("reading the image")?;
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
