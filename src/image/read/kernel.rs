//! Reading an image through the kernel, for what the user-space reader refuses and for images that are still mounted.
//!
//! The mount is read-only, follows no symbolic link, and is visible to nobody else: detached, or, before Linux 5.2, in
//! a mount namespace that only a helper thread ever had.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Unreadable};
use crate::image::loopback::LoopDevice;
use crate::image::mount::detached::{Detached, is_too_old};
use crate::image::mount::label::MountLabel;
use crate::image::mount::options::{Access, Writable};
use crate::image::mount::private_namespace::mount_in_private_namespace;
use crate::image::read::files::{ImageFiles, Kind, Listing, Place, Time, pump};
use crate::image::read::walk::{Dir, Limits, MAX_DEPTH, MAX_FILES, Tree, walk};

/// A directory of an image is opened and listed like this; nothing in it is trusted.
const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An image mounted read-only, as its root directory.
#[derive(Debug)]
pub struct Mounted {
    root: File,
    // The descriptors keep the mount and the device alive.
    _detached: Option<Detached>,
    _device: LoopDevice,
}

impl Mounted {
    /// Attaches and mounts the image `file`, which nobody has mounted. With `replay`, the device is writable, so that
    /// the kernel can replay the journal; the mount is read-only all the same.
    ///
    /// # Errors
    /// Those of attaching and mounting.
    pub fn open(file: &File, name: &std::path::Path, replay: bool) -> Result<Self> {
        Self::mount(LoopDevice::attach(file, name, !replay)?, Access::Harvest)
    }

    /// Mounts the image that is attached to `device` and may still be mounted somewhere, with `label`.
    ///
    /// # Errors
    /// Those of mounting.
    pub fn open_pinned(device: LoopDevice, label: Option<&MountLabel>) -> Result<Self> {
        // A device that cannot be written to cannot be mounted otherwise.
        let access = if device.is_read_only() { Access::Harvest } else { Access::HarvestPinned(label) };
        Self::mount(device, access)
    }

    /// Mounts the image that is attached to `device` and still mounted somewhere, so that what is in it can be removed.
    /// Should that mount go just now, ours has the same options.
    ///
    /// # Errors
    /// Those of mounting.
    pub(super) fn open_writable(device: LoopDevice, writable: &Writable) -> Result<Self> {
        Self::mount(device, Access::Container(writable))
    }

    fn mount(device: LoopDevice, access: Access<'_>) -> Result<Self> {
        match Detached::mount(&device, access) {
            Ok(detached) => Ok(Self { root: detached.root()?, _detached: Some(detached), _device: device }),
            Err(error) if is_too_old(&error) => Ok(Self {
                root: mount_in_private_namespace(&device, access)?,
                _detached: None,
                _device: device,
            }),
            Err(error) => Err(error),
        }
    }

    /// Opens the directories in which dumps are looked for, at most `most` of them, and calls `each` with every one before
    /// it looks for others in it.
    ///
    /// # Errors
    /// Those of `each`; [`ErrorKind::Corrupt`] when a directory cannot be read.
    pub fn directories(&self, most: usize, each: &mut dyn FnMut(&File) -> Result<()>) -> Result<()> {
        let mut paths = VecDeque::from([(Vec::new(), 0)]);
        let (mut opened, mut looked_at) = (0, 0);
        while let Some((path, depth)) = paths.pop_front().filter(|_| opened < most) {
            let Some(dir) = self.open_dir(&path)? else { continue };
            each(&dir)?;
            opened += 1;
            if depth == MAX_DEPTH {
                continue;
            }
            let what = || format!("cannot list /{} in the image", String::from_utf8_lossy(&path));
            let mut entries = rustix::fs::Dir::read_from(&dir).unreadable(what)?;
            while let Some(entry) = entries.read().filter(|_| looked_at < MAX_FILES) {
                let entry = entry.unreadable(what)?;
                looked_at += 1;
                let name = entry.file_name().to_bytes();
                let may_be_one = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
                if may_be_one && ![b".".as_slice(), b".."].contains(&name) && paths.len() < most {
                    paths.push_back(([path.as_slice(), b"/", name].concat(), depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Opens the directory `path`, name by name, so that no link is followed; `None` when there is none (any more).
    pub(super) fn open_dir(&self, path: &[u8]) -> Result<Option<File>> {
        let what = || format!("cannot open /{} in the image", String::from_utf8_lossy(path));
        let mut dir = None;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            match rustix::fs::openat(dir.as_ref().unwrap_or(&self.root), name, DIR_FLAGS, Mode::empty()) {
                Ok(fd) => dir = Some(fd.into()),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                Err(error) => return Err(error).unreadable(what),
            }
        }
        if dir.is_some() {
            return Ok(dir);
        }
        // A descriptor of its own, so that no other listing moves it.
        Ok(Some(rustix::fs::openat(&self.root, ".", DIR_FLAGS, Mode::empty()).unreadable(what)?.into()))
    }

    /// Opens a file, whatever it has become since it was listed: on a pinned image the container may still exchange
    /// one for another.
    pub(super) fn open_file(&self, place: &Place) -> Result<File> {
        let what = || format!("cannot open {} in the image", place.text());
        let gone = || Error::new(ErrorKind::NotFound, format!("{} has left the image", place.text()));
        let dir = self.open_dir(&place.dir)?.ok_or_else(gone)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let exchanged = || {
            Error::new(
                ErrorKind::Attack,
                format!("{} in the image is not a regular file any more", place.text()),
            )
        };
        let file: File = match rustix::fs::openat(&dir, place.name.as_slice(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Err(gone()),
            // The container has a lease on it.
            Err(Errno::AGAIN) => {
                return Err(Error::new(ErrorKind::Busy, format!("{} in the image is in use", place.text())));
            }
            // A link, a socket.
            Err(Errno::LOOP | Errno::NXIO) => return Err(exchanged()),
            other => other.unreadable(what)?.into(),
        };
        if file.metadata().unreadable(what)?.is_file() { Ok(file) } else { Err(exchanged()) }
    }
}

impl Tree for Mounted {
    fn entries(&self, dir: &Dir, each: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        let Some(file) = self.open_dir(&dir.path)? else { return Ok(()) };
        let what = || format!("cannot list /{} in the image", String::from_utf8_lossy(&dir.path));
        let mut entries = rustix::fs::Dir::read_from(&file).unreadable(what)?;
        while let Some(entry) = entries.read() {
            let entry = entry.unreadable(what)?;
            each(entry.file_name().to_bytes(), entry.ino())?;
        }
        Ok(())
    }

    fn kind(&self, place: &Place) -> Result<Option<Kind>> {
        let Some(dir) = self.open_dir(&place.dir)? else { return Ok(None) };
        let stat = match rustix::fs::statat(&dir, place.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.unreadable(|| format!("cannot inspect {} in the image", place.text()))?,
        };
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::Regular {
                size: stat.st_size.try_into().unwrap_or(u64::MAX),
                modified: Time {
                    seconds: stat.st_mtime,
                    nanoseconds: stat.st_mtime_nsec.try_into().unwrap_or_default(),
                },
            },
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Other("a symbolic link"),
            FileType::Fifo => Kind::Other("a FIFO"),
            FileType::Socket => Kind::Other("a socket"),
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Other("a device"),
            FileType::Unknown => Kind::Other("of an unknown type"),
        }))
    }
}

impl ImageFiles for Mounted {
    fn list(&mut self, deadline: Deadline) -> Result<Listing> {
        let what = || "cannot inspect the file system in the image";
        let size = rustix::fs::fstatvfs(&self.root).unreadable(what)?;
        let root = rustix::fs::fstat(&self.root).unreadable(what)?.st_ino;
        // Small directories can lie in their inodes.
        let bytes =
            size.f_blocks.saturating_mul(size.f_frsize).saturating_add(size.f_files.saturating_mul(256));
        walk(self, root, Limits::new(bytes, size.f_files, deadline))
    }

    fn head(&mut self, place: &Place) -> Result<Vec<u8>> {
        let mut head = vec![0; 4];
        let file = self.open_file(place)?;
        let count = file.read_at(&mut head, 0).unreadable(|| "cannot read a dump in the image")?;
        head.truncate(count);
        Ok(head)
    }

    fn copy(&mut self, place: &Place, limit: u64, target: &File, deadline: Deadline) -> Result<u64> {
        let file = self.open_file(place)?;
        let mut at = 0_u64;
        pump(target, limit, deadline, |chunk| {
            let count = file.read_at(chunk, at).unreadable(|| "cannot read a dump in the image")?;
            at += u64::try_from(count).unwrap_or(u64::MAX);
            Ok(count)
        })
    }
}
