//! Publishing dumps on the host: a file appears under its final name when it is whole and on the disk, never before,
//! and never in place of another.
//!
//! The name is given by linkat(2), not rename(2): RDK's uploader waits for `IN_CREATE`, and linkat refuses to
//! overwrite. A temporary name, where one is needed, never matches `*.dmp*`.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags, XattrFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::name::numbered;
use crate::host;
use crate::settings::admin::Admin;

/// How many dumps of one name are told apart by a number.
const MAX_NUMBER: u32 = 10_000;
/// What temporary files begin with, where there are no unnamed ones.
const PART: &str = ".oci-minidump-part-";
/// The extended attribute that marks a file as harvested by us and names its container.
pub const CONTAINER_ATTRIBUTE: &str = "user.oci-minidump.container";

/// A directory on the host into which dumps go.
#[derive(Debug)]
pub struct Destination<'a> {
    dir: File,
    path: PathBuf,
    admin: &'a Admin,
}

/// A file on its way into a destination.
#[derive(Debug)]
pub struct Draft {
    file: File,
    /// The name it has meanwhile where the file system has no unnamed files.
    temporary: Option<String>,
}

impl Draft {
    /// The file, empty and writable.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Where a dump ended up.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    /// The name it has.
    pub name: String,
    /// Whether the same bytes were there under that name already.
    pub already: bool,
}

impl<'a> Destination<'a> {
    /// Opens the directory `path`, making it (mode 0750) when it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] when it is a symbolic link or its parent is not to be trusted; else the kernel's.
    pub fn open(path: &Path, admin: &'a Admin) -> Result<Self> {
        host::make_dir(path, 0o750)
            .map_err(|e| e.advise("the dumps stay in the image until this is mended"))?;
        Ok(Self { dir: host::open_dir(path)?, path: path.to_owned(), admin })
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An empty file in the directory that nobody sees yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn draft(&self) -> Result<Draft> {
        let mode = Mode::from_raw_mode(0o600);
        let what = || format!("cannot make a file in {}", self.path.display());
        match rustix::fs::openat(&self.dir, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(fd) => Ok(Draft { file: fd.into(), temporary: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => self.named_draft().tried(what),
            Err(error) => Err(error).tried(what),
        }
    }

    fn named_draft(&self) -> rustix::io::Result<Draft> {
        self.remove_stale_drafts();
        let mut number = 0_u32;
        loop {
            let name = format!("{PART}{}-{number}", std::process::id());
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(&self.dir, name.as_str(), flags, Mode::from_raw_mode(0o600)) {
                Err(Errno::EXIST) => number += 1,
                other => {
                    let file: File = other?.into();
                    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                    return Ok(Draft { file, temporary: Some(name) });
                }
            }
        }
    }

    /// Removes the drafts of hooks that were killed: nobody holds their locks.
    fn remove_stale_drafts(&self) {
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PART)
                && let Ok(file) = File::open(entry.path())
                && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                // The next hook tries again.
                let _stays = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Gives up a draft.
    pub fn discard(&self, draft: &Draft) {
        if let Some(name) = &draft.temporary {
            // Its lock goes with the descriptor, so the next hook removes what stays.
            let _stays = rustix::fs::unlinkat(&self.dir, name.as_str(), AtFlags::empty());
        }
    }

    /// Publishes a draft as `name`, or under a number beside it when another file has that name. When the same bytes
    /// are there already, nothing is added. [`Destination::sync`] makes it last.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] and others of the kernel; nothing is left behind then.
    pub fn publish(&self, draft: &Draft, name: &str, container: Option<&str>) -> Result<Published> {
        let result = self.try_publish(draft, name, container);
        if !result.as_ref().is_ok_and(|published| !published.already) {
            self.discard(draft);
        }
        result
    }

    fn try_publish(&self, draft: &Draft, name: &str, container: Option<&str>) -> Result<Published> {
        self.finish(&draft.file, container)
            .tried(|| format!("cannot write {}", self.path.join(name).display()))?;
        for number in 1..=MAX_NUMBER {
            let name = numbered(name, number);
            match self.give_name(draft, &name) {
                Ok(()) => return Ok(Published { name, already: false }),
                Err(Errno::EXIST) if self.has_same_bytes(&draft.file, &name)? => {
                    return Ok(Published { name, already: true });
                }
                Err(Errno::EXIST) => {}
                Err(error) => {
                    return Err(error).tried(|| format!("cannot name {}", self.path.join(&name).display()));
                }
            }
        }
        let what = format!("there are {MAX_NUMBER} dumps called {name} in {}", self.path.display());
        Err(Error::new(ErrorKind::NoSpace, what).advise("remove old dumps"))
    }

    /// Everything a file must have before it gets its name.
    fn finish(&self, file: &File, container: Option<&str>) -> std::io::Result<()> {
        if let Some(group) = self.admin.group {
            std::os::unix::fs::fchown(file, None, Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(self.admin.mode.0))?;
        let owner = container.unwrap_or_default().as_bytes();
        // Not every file system has extended attributes, and a dump is a dump without them.
        let _unmarked = rustix::fs::fsetxattr(file, CONTAINER_ATTRIBUTE, owner, XattrFlags::empty());
        file.sync_all()
    }

    fn give_name(&self, draft: &Draft, name: &str) -> rustix::io::Result<()> {
        match &draft.temporary {
            None => host::link_unnamed(&draft.file, &self.dir, OsStr::new(name)),
            Some(temporary) => self.give_second_name(temporary, name),
        }
    }

    /// Gives the file called `temporary` the name `name` instead. A rename would do it at once, but raises no
    /// `IN_CREATE`: it is for file systems without hard links.
    fn give_second_name(&self, temporary: &str, name: &str) -> rustix::io::Result<()> {
        match rustix::fs::linkat(&self.dir, temporary, &self.dir, name, AtFlags::empty()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                rustix::fs::renameat_with(&self.dir, temporary, &self.dir, name, RenameFlags::NOREPLACE)
            }
            other => {
                other?;
                // What stays has no lock any more, so the next hook removes it.
                let _stays = rustix::fs::unlinkat(&self.dir, temporary, AtFlags::empty());
                Ok(())
            }
        }
    }

    fn has_same_bytes(&self, ours: &File, name: &str) -> Result<bool> {
        let what = || format!("cannot read {}", self.path.join(name).display());
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::openat(&self.dir, name, flags, Mode::empty()) else { return Ok(false) };
        let theirs = File::from(fd);
        let (mine, other) = (ours.metadata().tried(what)?, theirs.metadata().tried(what)?);
        if !other.is_file() || other.len() != mine.len() {
            return Ok(false);
        }
        let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        let mut at = 0;
        while at < mine.len() {
            let count = ours.read_at(&mut left, at).tried(what)?;
            let part = right.get_mut(..count).unwrap_or_default();
            if count == 0 || theirs.read_exact_at(part, at).is_err() || left.get(..count) != Some(part) {
                return Ok(false);
            }
            at += u64::try_from(count).unwrap_or(u64::MAX);
        }
        Ok(true)
    }

    /// Makes the names given so far safe from power cuts.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.dir).tried(|| format!("cannot sync the directory {}", self.path.display()))
    }
}
