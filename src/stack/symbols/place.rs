//! Where an ELF file is: one that the administrator has named, or one below a directory, from which no link leads out.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use pathrs::RootRef;
use pathrs::flags::OpenFlags;
use rustix::fs::{FileType, fstat};

use crate::process::caught;
use crate::stack::elf::file::Elf;

/// A place that may have an ELF file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The directory that the path is below.
    pub(super) dir: Option<Arc<File>>,
    /// The path; without a directory, one of the host.
    pub(super) path: PathBuf,
    /// What people are shown.
    pub(super) shown: PathBuf,
}

/// An ELF file that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) elf: Elf,
    /// Device and inode: two names for one file are one.
    pub(super) id: (u64, u64),
}

impl Place {
    /// Opens the file, if there is one. What is in its place is neither waited for nor followed out of the directory.
    pub(super) fn open(&self) -> Option<File> {
        let Some(dir) = &self.dir else { return File::open(&self.path).ok() };
        // Without openat2(2) the library looks at /proc, and panics when that fails at the wrong moment.
        caught(|| {
            let handle = RootRef::from_fd(dir.as_fd()).resolve(&self.path).ok()?;
            let kind = FileType::from_raw_mode(fstat(&handle).ok()?.st_mode);
            let file = (kind == FileType::RegularFile).then(|| handle.reopen(OpenFlags::O_RDONLY));
            file?.ok()
        })?
    }

    /// The ELF file there. `Err` says why what is there is none that can be used.
    pub(super) fn find(&self) -> Option<crate::error::Result<Found>> {
        let file = self.open()?;
        let metadata = file.metadata().ok()?;
        let id = (metadata.dev(), metadata.ino());
        Some(Elf::read(&file).map(|elf| Found { place: self.clone(), elf, id }))
    }
}
