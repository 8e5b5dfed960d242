//! Reading a cleanly unmounted image in user space: no mount, no privilege, no kernel parser on what a container wrote.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ext4_view::{DirEntry, Ext4, Ext4Error, Ext4Read, FileType};

use crate::error::{Error, ErrorKind, Result};
use crate::image::files::{Candidate, DIRS, ImageFiles, Kind, Listing, MAX_ENTRIES, is_dump_name, pump};
use crate::image::layout;
use crate::process;

/// An image read by `ext4-view`. Never for an image with a journal to replay: stale data would come out, silently.
pub struct UserSpace {
    fs: Ext4,
}

impl std::fmt::Debug for UserSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserSpace").finish_non_exhaustive()
    }
}

/// Positioned reads, so that nobody's cursor moves.
struct Positioned(File);

impl Ext4Read for Positioned {
    fn read(
        &mut self,
        start_byte: u64,
        dst: &mut [u8],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.read_exact_at(dst, start_byte)?)
    }
}

impl UserSpace {
    /// Opens the image in `file`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is damaged or has features that the reader does not know.
    pub fn open(file: &File) -> Result<Self> {
        guarded(|| Self::try_open(file))
    }

    fn try_open(file: &File) -> Result<Self> {
        layout::check(file)?;
        let file = file
            .try_clone()
            .map_err(|e| Error::new(ErrorKind::System, "cannot copy a descriptor").caused_by(e))?;
        let fs = Ext4::load(Box::new(Positioned(file))).map_err(|e| corrupt("the file system", e))?;
        Ok(Self { fs })
    }

    fn list_dir(&self, dir: &'static str, listing: &mut Listing) -> Result<()> {
        let path = format!("/{dir}");
        match self.fs.symlink_metadata(path.as_str()) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) | Err(Ext4Error::NotFound) => return Ok(()),
            Err(error) => return Err(corrupt(&path, error)),
        }
        let entries = self.fs.read_dir(path.as_str()).map_err(|e| corrupt(&path, e))?;
        for (n, entry) in entries.enumerate() {
            if n == MAX_ENTRIES {
                listing.cut = true;
                break;
            }
            let entry = entry.map_err(|e| corrupt(&path, e))?;
            let name = entry.file_name();
            if is_dump_name(name.as_ref()) {
                listing.candidates.push(candidate(dir, &entry)?);
            }
        }
        Ok(())
    }

    fn open_file(&self, candidate: &Candidate) -> Result<ext4_view::File> {
        let mut path = format!("/{}/", candidate.dir).into_bytes();
        path.extend_from_slice(&candidate.name);
        let path = ext4_view::PathBuf::try_from(path)
            .map_err(|e| Error::new(ErrorKind::Corrupt, "a name in the image is malformed").caused_by(e))?;
        self.fs.open(&path).map_err(|e| corrupt("a dump", e))
    }
}

/// Calls `ext4-view`, which slices and unwraps what a damaged image says.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    process::caught(work).unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::Corrupt,
            "the image is damaged in a way that the user-space reader cannot bear",
        ))
    })
}

fn candidate(dir: &'static str, entry: &DirEntry) -> Result<Candidate> {
    let metadata = entry.metadata().map_err(|e| corrupt("a directory entry", e))?;
    let kind = match metadata.file_type() {
        FileType::Regular => Kind::Regular { size: metadata.len(), modified: metadata.modified().seconds() },
        FileType::BlockDevice | FileType::CharacterDevice => Kind::Other("a device"),
        FileType::Directory => Kind::Other("a directory"),
        FileType::Fifo => Kind::Other("a FIFO"),
        FileType::Socket => Kind::Other("a socket"),
        FileType::Symlink => Kind::Other("a symbolic link"),
    };
    Ok(Candidate { dir, name: entry.file_name().as_ref().to_vec(), kind })
}

impl ImageFiles for UserSpace {
    fn list(&mut self) -> Result<Listing> {
        guarded(|| {
            let mut listing = Listing::default();
            for dir in DIRS {
                self.list_dir(dir, &mut listing)?;
            }
            Ok(listing)
        })
    }

    fn head(&mut self, candidate: &Candidate) -> Result<Vec<u8>> {
        guarded(|| {
            let mut file = self.open_file(candidate)?;
            let mut head = vec![0; 4];
            let count = file.read_bytes(&mut head).map_err(|e| corrupt("a dump", e))?;
            head.truncate(count);
            Ok(head)
        })
    }

    fn copy(&mut self, candidate: &Candidate, limit: u64, target: &File) -> Result<u64> {
        guarded(|| {
            let mut file = self.open_file(candidate)?;
            pump(target, limit, |chunk| file.read_bytes(chunk).map_err(|e| corrupt("a dump", e)))
        })
    }
}

fn corrupt(what: &str, error: Ext4Error) -> Error {
    Error::new(ErrorKind::Corrupt, format!("cannot read {what} in the image")).caused_by(error)
}
