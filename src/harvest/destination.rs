//! The directory on the host into which dumps go, and files on their way into it.
//!
//! A file has no name until it is whole, or, where the file system has no unnamed files, one that never matches
//! `*.dmp*`.

use std::cell::Cell;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::marks::Marks;
use crate::host;
use crate::image::read::files::Time;
use crate::proc::journal::is_in_order;
use crate::proc::mount_point;
use crate::settings::admin::Admin;
use crate::sys;

/// What temporary files begin with, where there are no unnamed ones.
const PART: &str = ".oci-minidump-part-";
/// How often a name for a temporary file is looked for.
const MAX_TRIES: u32 = 1000;

/// How long another hook is waited for that works on the same directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// A directory on the host into which dumps go.
#[derive(Debug)]
pub struct Destination<'a> {
    pub(super) dir: File,
    path: PathBuf,
    admin: &'a Admin,
    /// Whether it was said that the file system cannot keep the group, the mode, or the marks.
    said: Cell<bool>,
    unmarked: Cell<bool>,
    /// Whether one flush of the directory is one of its files, too ([`is_in_order`]).
    in_order: bool,
}

/// A file on its way into a destination.
#[derive(Debug)]
pub struct Draft<'d> {
    pub(super) file: File,
    dir: &'d File,
    /// The name it has meanwhile where the file system has no unnamed files.
    pub(super) temporary: Option<String>,
}

impl Draft<'_> {
    /// The file, empty and writable at first.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            // Its lock goes with the descriptor, so the next hook removes what stays.
            let _stays = rustix::fs::unlinkat(self.dir, name.as_str(), AtFlags::empty());
        }
    }
}

impl<'a> Destination<'a> {
    /// Opens the directory `path`, making it (mode 0750) when it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] when it is a symbolic link or its parent is not to be trusted; else the kernel's.
    pub fn open(path: &Path, admin: &'a Admin) -> Result<Self> {
        host::make_dir(path, 0o750)?;
        host::check_trusted(path.parent().unwrap_or(Path::new("/")))?;
        let (said, unmarked) = (Cell::new(false), Cell::new(false));
        let dir = host::open_dir(path)?;
        let in_order = is_in_order(&dir);
        Ok(Self { dir, path: path.to_owned(), admin, said, unmarked, in_order })
    }

    /// The same, if it lies below the mount point `mount`, where one was noted: in what that hides, no dump would be found.
    ///
    /// # Errors
    /// As [`Destination::open`], and [`ErrorKind::System`] when nothing is mounted there.
    pub(super) fn open_on(path: &Path, mount: Option<&Path>, admin: &'a Admin) -> Result<Self> {
        let check = || match mount {
            Some(mount) if mount_point::is_missing(mount, path) => Err(not_mounted(path, mount)),
            _ => Ok(()),
        };
        // Before a directory is made, and once more when it is open: a file system may be unmounted in between.
        check()?;
        let destination = Self::open(path, admin)
            .map_err(|e| e.advise("the dumps stay in the image until this is put right"))?;
        check().map(|()| destination)
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings that hold in it.
    #[must_use]
    pub fn admin(&self) -> &'a Admin {
        self.admin
    }

    /// Whether its file system has not taken the marks by which retention knows a dump.
    #[must_use]
    pub fn is_unmarked(&self) -> bool {
        self.unmarked.get()
    }

    /// Whether its file system takes marks. When in doubt, it does.
    #[must_use]
    pub fn takes_marks(&self) -> bool {
        let Ok(draft) = self.draft() else { return true };
        let marks =
            Marks { container: None, time: Time { seconds: 0, nanoseconds: 0 }, number: 0, not_kept: 0 };
        marks.write(&draft.file) != Err(Errno::OPNOTSUPP)
    }

    /// An empty file in the directory, without a name for now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn draft(&self) -> Result<Draft<'_>> {
        let mode = Mode::from_raw_mode(0o600);
        let what = || format!("cannot make a file in {}", self.path.display());
        match rustix::fs::openat(&self.dir, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(fd) => Ok(Draft { file: fd.into(), dir: &self.dir, temporary: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => self.named_draft().tried(what)?,
            Err(error) => Err(error).tried(what),
        }
    }

    fn named_draft(&self) -> rustix::io::Result<Result<Draft<'_>>> {
        self.remove_stale_drafts();
        for number in 0..MAX_TRIES {
            let name = format!("{PART}{}-{number}", std::process::id());
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file: File =
                match rustix::fs::openat(&self.dir, name.as_str(), flags, Mode::from_raw_mode(0o600)) {
                    Err(Errno::EXIST) => continue,
                    other => other?.into(),
                };
            // Another hook that looks for stale drafts may have been faster than our lock.
            if is_locked(&file)? && self.has(&file, name.as_str()) {
                return Ok(Ok(Draft { file, dir: &self.dir, temporary: Some(name) }));
            }
        }
        let what = format!("there are too many unfinished files {PART}* in {}", self.path.display());
        Ok(Err(Error::new(ErrorKind::NoSpace, what).advise("remove those of programs that have ended")))
    }

    /// Removes the drafts of hooks that were killed: their locks are free.
    fn remove_stale_drafts(&self) {
        for entry in std::fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(PART.as_bytes()) {
                continue;
            }
            // Something else may lie there by that name: a FIFO would be waited for.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(fd) = rustix::fs::openat(&self.dir, &name, flags, Mode::empty()) else { continue };
            let file = File::from(fd);
            let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
            // By now, the name may be that of another draft.
            if is_file && is_locked(&file).unwrap_or(false) && self.has(&file, &name) {
                // The next hook tries again.
                let _stays = rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty());
            }
        }
    }

    /// Whether `name` in the directory is that of `file`.
    fn has(&self, file: &File, name: impl rustix::path::Arg) -> bool {
        let named = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
        match (named, file.metadata()) {
            (Ok(named), Ok(ours)) => (named.st_dev, named.st_ino) == (ours.dev(), ours.ino()),
            _ => false,
        }
    }

    /// Gives a file everything that it must have before it gets its name, and writes it out: after a power cut, no file has
    /// a name and not its content. Where the file system keeps the order, the flush of the directory makes it last.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn finish(&self, file: &File, marks: Marks<'_>) -> std::io::Result<()> {
        if let Some(group) = self.admin.group {
            self.accept(std::os::unix::fs::fchown(file, None, Some(group)), || format!("group {group}"))?;
        }
        let mode = self.admin.mode.0;
        let set = file.set_permissions(Permissions::from_mode(mode)).and_then(|()| file.metadata());
        let kept = set.and_then(|set| {
            let same = set.permissions().mode() & 0o777 == mode;
            if same { Ok(()) } else { Err(Errno::PERM.into()) }
        });
        self.accept(kept, || format!("mode {mode:04o}"))?;
        // A dump is a dump without its marks.
        if let Err(error) = marks.write(file) {
            log::debug!("cannot mark a file in {}: {error}", self.path.display());
            self.unmarked.set(error == Errno::OPNOTSUPP);
        }
        if !self.in_order {
            return file.sync_all();
        }
        match sys::write_out::write_out(file) {
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOSYS) => file.sync_all(),
            // One that was reported is not reported again by a flush.
            other => other,
        }
    }

    /// Lets pass that a file system such as vfat has no groups and modes, with one warning.
    fn accept(&self, result: std::io::Result<()>, what: impl Fn() -> String) -> std::io::Result<()> {
        let Err(error) = result else { return Ok(()) };
        match Errno::from_io_error(&error) {
            Some(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                if !self.said.replace(true) {
                    log::warn!("the file system of {} does not take {}", self.path.display(), what());
                }
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Locks the directory, whatever lies at its path by now ([`lock`]).
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn lock(&self) -> Result<Option<File>> {
        // A lock belongs to one opening of the directory, and goes with it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.dir, ".", flags, Mode::empty());
        lock_opened(opened.tried(|| format!("cannot open {}", self.path.display()))?.into(), &self.path)
    }

    /// Makes the names given so far, and the files that have them, safe from power cuts.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> Result<()> {
        match rustix::fs::fsync(&self.dir) {
            // The file system has nothing to offer here.
            Err(Errno::INVAL) => Ok(()),
            other => other.tried(|| format!("cannot sync the directory {}", self.path.display())),
        }
    }
}

fn not_mounted(path: &Path, mount: &Path) -> Error {
    let (path, mount) = (path.display(), mount.display());
    let what = format!("{mount} is not mounted, as it was for {path} when the container started");
    Error::new(ErrorKind::System, what).advise(
        "the dumps stay in the image: mount it, or take them out with 'oci-minidump-hook harvest IMAGE --to DIR'",
    )
}

/// Whether the lock of a file could be taken. It goes with the descriptor.
fn is_locked(file: &File) -> rustix::io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Locks a directory, so that one program at a time names, removes and counts dumps in it; `None` when another program
/// has it for too long, or its file system has no locks. The lock goes with the descriptor.
///
/// # Errors
/// The kernel's.
pub(in crate::harvest) fn lock(dir: &Path) -> Result<Option<File>> {
    lock_opened(host::open_dir(dir)?, dir)
}

/// Locks the directory `file`, whose path is or was `dir`.
fn lock_opened(file: File, dir: &Path) -> Result<Option<File>> {
    let deadline = Deadline::after(LOCK_TIMEOUT);
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK) if deadline.has_passed() => return Ok(None),
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(LOCK_INTERVAL),
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::BADF) => return Ok(None),
            Err(error) => return Err(error).tried(|| format!("cannot lock {}", dir.display())),
        }
    }
}
