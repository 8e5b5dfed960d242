//! Reading a cleanly unmounted image in user space: no mount, no privilege, no kernel parser on what a container wrote.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType, PathBuf};

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::read::directory::{Entries, ROOT_INODE};
use crate::image::read::extents::wrong;
use crate::image::read::files::{ImageFiles, Kind, Listing, Place, Time, pump};
use crate::image::read::layout::{self, Tables};
use crate::image::read::walk::{Dir, Limits, Tree, walk};
use crate::process;

/// An image read by `ext4-view`. Never for an image with a journal to replay: stale data would come out, silently.
pub struct UserSpace {
    fs: Ext4,
    image: File,
    tables: Tables,
    has_panicked: bool,
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
        let tables = layout::check(file)?;
        let copy = || file.try_clone().tried(|| "cannot duplicate the descriptor of the image");
        let image = copy()?;
        let fs = Ext4::load(Box::new(Positioned(copy()?))).map_err(|e| corrupt("the file system", e))?;
        Ok(Self { fs, image, tables, has_panicked: false })
    }

    /// Calls `ext4-view`; never again once it has panicked.
    fn guarded<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        if self.has_panicked {
            return Err(reader_failed());
        }
        let outcome = process::caught(|| work(self));
        self.has_panicked = outcome.is_none();
        outcome.unwrap_or_else(|| Err(reader_failed()))
    }

    fn open_file(&self, place: &Place) -> Result<ext4_view::File> {
        self.fs.open(&path(&place.path())?).map_err(|e| corrupt("a dump", e))
    }
}

/// The path as the library wants it.
fn path(below_root: &[u8]) -> Result<PathBuf> {
    PathBuf::try_from([b"/", below_root].concat())
        .map_err(|e| Error::new(ErrorKind::Corrupt, "a name in the image is malformed").caused_by(e))
}

/// Calls `ext4-view`, which slices and unwraps what a damaged image says.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    process::caught(work).unwrap_or_else(|| Err(reader_failed()))
}

fn reader_failed() -> Error {
    Error::new(ErrorKind::Corrupt, "the image is damaged in a way that makes the user-space reader fail")
}

impl Tree for UserSpace {
    /// The library gives the names and checks the checksums; the same bytes read a second time give the numbers of the
    /// inodes.
    fn entries(&self, dir: &Dir, each: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        let mut numbers = Entries::new(&self.image, &self.tables, dir.inode)?;
        for entry in self.fs.read_dir(&path(&dir.path)?).map_err(|e| corrupt("a directory", e))? {
            let entry = entry.map_err(|e| corrupt("a directory", e))?;
            match numbers.next()? {
                Some((inode, name)) if entry.file_name() == name => each(&name, inode)?,
                _ => return Err(wrong("a directory is read in two ways")),
            }
        }
        Ok(())
    }

    fn kind(&self, place: &Place) -> Result<Option<Kind>> {
        let metadata = self.fs.symlink_metadata(&path(&place.path())?);
        let metadata = metadata.map_err(|e| corrupt("a directory entry", e))?;
        Ok(Some(match metadata.file_type() {
            FileType::Regular => Kind::Regular {
                size: metadata.len(),
                modified: Time {
                    seconds: metadata.modified().seconds(),
                    nanoseconds: metadata.modified().nanoseconds(),
                },
            },
            FileType::BlockDevice | FileType::CharacterDevice => Kind::Other("a device"),
            FileType::Directory => Kind::Directory,
            FileType::Fifo => Kind::Other("a FIFO"),
            FileType::Socket => Kind::Other("a socket"),
            FileType::Symlink => Kind::Other("a symbolic link"),
        }))
    }
}

impl ImageFiles for UserSpace {
    fn list(&mut self, deadline: Deadline) -> Result<Listing> {
        let limits = Limits::new(self.tables.length, self.tables.count(), deadline);
        self.guarded(|image| walk(image, ROOT_INODE, limits))
    }

    fn head(&mut self, place: &Place) -> Result<Vec<u8>> {
        self.guarded(|image| {
            let mut file = image.open_file(place)?;
            let mut head = vec![0; 4];
            let count = file.read_bytes(&mut head).map_err(|e| corrupt("a dump", e))?;
            head.truncate(count);
            Ok(head)
        })
    }

    fn copy(&mut self, place: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64> {
        self.guarded(|image| {
            let mut file = image.open_file(place)?;
            pump(target, limit, deadline, |chunk| file.read_bytes(chunk).map_err(|e| corrupt("a dump", e)))
        })
    }
}

fn corrupt(what: &str, error: Ext4Error) -> Error {
    Error::new(ErrorKind::Corrupt, format!("cannot read {what} in the image")).caused_by(error)
}
