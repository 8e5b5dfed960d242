//! An existing image, opened without following links, checked and locked.
//!
//! The lock (flock(2)) covers the moments in which the hook works on an image. While a container uses it, the loop
//! device attached to it is the lock: it lives exactly as long as the mount.

use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::identity::Identity;
use crate::image::loopback::LoopDevice;
use crate::image::superblock::{Condition, inspect};

/// How long between two tries to get the lock.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How long a loop device that was read through may take to go.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// An image file that exists and that nobody else works on while this value lives.
#[derive(Debug)]
pub struct LockedImage {
    file: File,
    path: PathBuf,
    /// Where it goes when it must be kept, for one in memory.
    disk: Option<PathBuf>,
}

impl LockedImage {
    /// Opens and locks the image at `path`; `None` when there is no such file, nor one of its directories.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] for anything but a regular file of root's (or our own) with one name,
    /// [`ErrorKind::Busy`] when somebody else holds the lock for longer than `timeout`.
    pub fn open(path: &Path, timeout: Duration) -> Result<Option<Self>> {
        let deadline = Instant::now() + timeout;
        loop {
            let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file: File = match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
                Ok(fd) => fd.into(),
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(error) => return Err(refuse(path, error)),
            };
            check(&file, path)?;
            lock(&file, path, deadline)?;
            // While we waited, the image may have been harvested, removed and made anew.
            if same_file(&file, path)? {
                return Ok(Some(Self { file, path: path.to_owned(), disk: None }));
            }
        }
    }

    /// An image that its maker has locked.
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        Self { file, path, disk: None }
    }

    /// The same image, of which it is known whether it lies in memory, and where it goes then when it must be kept.
    #[must_use]
    pub fn with_disk_place(self, disk: Option<PathBuf>) -> Self {
        Self { disk, ..self }
    }

    /// Where an image that lies in memory goes when it must be kept.
    #[must_use]
    pub fn disk_place(&self) -> Option<&Path> {
        self.disk.as_deref()
    }

    /// The image as a file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path by which it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the image in bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn size(&self) -> Result<u64> {
        Ok(self.file.metadata().tried(|| format!("cannot inspect {}", self.path.display()))?.len())
    }

    /// What the image is known by.
    ///
    /// # Errors
    /// The kernel's.
    pub fn identity(&self) -> Result<Identity> {
        Identity::of(&self.file).map_err(|e| e.within(self.path.display()))
    }

    /// How the image looks from outside.
    ///
    /// # Errors
    /// The kernel's.
    pub fn condition(&self) -> Result<Condition> {
        inspect(&self.file).tried(|| format!("cannot read {}", self.path.display()))
    }

    /// The loop device that the image is still attached to after waiting for it to go, but not longer than `timeout`.
    ///
    /// # Errors
    /// The kernel's, and [`ErrorKind::Unsupported`] when it cannot be known.
    pub fn attached(&self, timeout: Duration) -> Result<Option<LoopDevice>> {
        LoopDevice::of_after(&self.file, timeout).map_err(|e| e.within(self.path.display()))
    }

    /// Removes the image: the one place of the whole program that does. An image that is attached is never removed, since
    /// what is written to it would be lost.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when it is attached to a loop device, or when its name is that of another file by now; else the
    /// kernel's.
    pub fn remove(&self) -> Result<()> {
        if let Some(device) = self.attached(RELEASE_TIMEOUT)? {
            return Err(self.in_use(&device));
        }
        self.check_name()?;
        std::fs::remove_file(&self.path).tried(|| format!("cannot remove the image {}", self.path.display()))
    }

    /// Gives the image another name in its directory, which no file has; it may be attached meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when its name is that of another file by now; else the kernel's.
    pub fn rename(&self, target: &Path) -> Result<()> {
        self.check_name()?;
        let what = || format!("cannot rename {} to {}", self.path.display(), target.display());
        match rustix::fs::renameat_with(CWD, &self.path, CWD, target, RenameFlags::NOREPLACE) {
            // Before Linux 3.15, and on file systems that cannot do it at once.
            Err(Errno::NOSYS | Errno::INVAL) if std::fs::symlink_metadata(target).is_err() => {
                std::fs::rename(&self.path, target).tried(what)
            }
            other => other.tried(what),
        }
    }

    /// The error about an image that somebody else is using.
    #[must_use]
    pub fn in_use(&self, device: &LoopDevice) -> Error {
        let (image, device) = (self.path.display(), device.path().display());
        Error::new(ErrorKind::Busy, format!("the image {image} is in use: it is attached to {device}"))
            .advise("give every container an image of its own, or wait until the other one is deleted")
    }

    fn check_name(&self) -> Result<()> {
        if same_file(&self.file, &self.path)? {
            return Ok(());
        }
        let what = format!("the path {} now leads to another image", self.path.display());
        Err(Error::new(ErrorKind::Busy, what).advise("try again"))
    }
}

fn refuse(path: &Path, error: Errno) -> Error {
    match error {
        Errno::LOOP => trap(path, "is a symbolic link"),
        Errno::ISDIR => trap(path, "is a directory"),
        Errno::NXIO => trap(path, "is a FIFO or a socket"),
        other => match Err::<(), _>(other).tried(|| format!("cannot open the image {}", path.display())) {
            Err(error) => error,
            Ok(()) => trap(path, "cannot be opened"),
        },
    }
}

fn trap(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Attack, format!("the image {} {what}", path.display()))
        .advise("it is left untouched; find out who put it there, and move it away or name another image")
}

fn check(file: &File, path: &Path) -> Result<()> {
    let metadata = file.metadata().tried(|| format!("cannot inspect the image {}", path.display()))?;
    let kind = metadata.file_type();
    let us = rustix::process::geteuid().as_raw();
    if kind.is_fifo() {
        Err(trap(path, "is a FIFO"))
    } else if kind.is_block_device() || kind.is_char_device() {
        Err(trap(path, "is a device"))
    } else if !kind.is_file() {
        Err(trap(path, "is not a regular file"))
    } else if metadata.uid() != 0 && metadata.uid() != us {
        Err(trap(path, &format!("belongs to user {}", metadata.uid())))
    } else if metadata.nlink() > 1 {
        Err(trap(path, &format!("has {} names (hard links)", metadata.nlink())))
    } else {
        Ok(())
    }
}

fn lock(file: &File, path: &Path, deadline: Instant) -> Result<()> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL_INTERVAL),
            Err(Errno::WOULDBLOCK) => {
                let what = format!("another process works on the image {}", path.display());
                return Err(Error::new(ErrorKind::Busy, what).advise("try again later"));
            }
            Err(Errno::INTR) => {}
            other => return other.tried(|| format!("cannot lock the image {}", path.display())),
        }
    }
}

/// Whether the name still is that of the file.
pub(super) fn same_file(file: &File, path: &Path) -> Result<bool> {
    let ours = file.metadata().tried(|| format!("cannot inspect the image {}", path.display()))?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).tried(|| format!("cannot inspect the image {}", path.display())),
    }
}
