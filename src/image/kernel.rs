//! Reading an image through the kernel, for what the user-space reader refuses and for images that are still mounted.
//!
//! The mount is read-only, follows no symbolic link, and is visible to nobody else: detached, or, before Linux 5.2, in
//! a mount namespace that only a helper thread ever had.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried, Unreadable};
use crate::image::files::{Candidate, DIRS, ImageFiles, Kind, Listing, MAX_ENTRIES, is_dump_name, pump};
use crate::image::label::MountLabel;
use crate::image::loopback::LoopDevice;
use crate::image::mount::{Access, Detached, is_too_old};

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

    /// Mounts the image that is attached to `device` and still mounted somewhere, with `label`.
    ///
    /// # Errors
    /// Those of mounting.
    pub fn open_pinned(device: LoopDevice, label: Option<&MountLabel>) -> Result<Self> {
        Self::mount(device, Access::HarvestPinned(label))
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

    fn list_dir(&self, dir: &'static str, listing: &mut Listing) -> Result<()> {
        let Some(dir_file) = self.open_dir(dir)? else { return Ok(()) };
        let what = || format!("cannot list /{dir} in the image");
        let mut entries = Dir::read_from(&dir_file).unreadable(what)?;
        let mut count = 0_usize;
        while let Some(entry) = entries.read() {
            let entry = entry.unreadable(what)?;
            count += 1;
            if count > MAX_ENTRIES {
                listing.cut = true;
                break;
            }
            let name = entry.file_name();
            if is_dump_name(name.to_bytes()) {
                let kind = kind(&dir_file, name)?;
                listing.candidates.push(Candidate { dir, name: name.to_bytes().to_vec(), kind });
            }
        }
        Ok(())
    }

    fn open_dir(&self, dir: &str) -> Result<Option<File>> {
        let path = if dir.is_empty() { "." } else { dir };
        match rustix::fs::openat(&self.root, path, DIR_FLAGS, Mode::empty()) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error).tried(|| format!("cannot open /{dir} in the image")),
        }
    }
}

impl Mounted {
    /// Opens a candidate, whatever it has become since it was listed: on a pinned image the container may still
    /// exchange one file for another.
    fn open_file(&self, candidate: &Candidate) -> Result<File> {
        let shown = String::from_utf8_lossy(&candidate.name);
        let what = || format!("cannot open {shown} in the image");
        let gone = || Error::new(ErrorKind::Corrupt, what());
        let dir = self.open_dir(candidate.dir)?.ok_or_else(gone)?;
        let name = CString::new(candidate.name.clone()).map_err(|_| gone())?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file: File = rustix::fs::openat(&dir, &name, flags, Mode::empty()).unreadable(what)?.into();
        if !file.metadata().unreadable(what)?.is_file() {
            return Err(Error::new(ErrorKind::Attack, format!("{shown} is no regular file any more")));
        }
        Ok(file)
    }
}

fn kind(dir: &File, name: &CStr) -> Result<Kind> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .unreadable(|| format!("cannot inspect {} in the image", name.to_string_lossy()))?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            Kind::Regular { size: stat.st_size.try_into().unwrap_or(u64::MAX), modified: stat.st_mtime }
        }
        FileType::Directory => Kind::Other("a directory"),
        FileType::Symlink => Kind::Other("a symbolic link"),
        FileType::Fifo => Kind::Other("a FIFO"),
        FileType::Socket => Kind::Other("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Other("a device"),
        FileType::Unknown => Kind::Other("of an unknown type"),
    })
}

impl ImageFiles for Mounted {
    fn list(&mut self) -> Result<Listing> {
        let mut listing = Listing::default();
        for dir in DIRS {
            self.list_dir(dir, &mut listing)?;
        }
        Ok(listing)
    }

    fn head(&mut self, candidate: &Candidate) -> Result<Vec<u8>> {
        let mut head = vec![0; 4];
        let count = self
            .open_file(candidate)?
            .read_at(&mut head, 0)
            .unreadable(|| "cannot read a dump in the image")?;
        head.truncate(count);
        Ok(head)
    }

    fn copy(&mut self, candidate: &Candidate, limit: u64, target: &File) -> Result<u64> {
        let file = self.open_file(candidate)?;
        let mut at = 0_u64;
        pump(target, limit, |chunk| {
            let count = file.read_at(chunk, at).unreadable(|| "cannot read a dump in the image")?;
            at += u64::try_from(count).unwrap_or(u64::MAX);
            Ok(count)
        })
    }
}

/// Mounts the device where only a helper thread sees it, and gives the root directory out; the mount lives as long as
/// that descriptor. For kernels before 5.2.
///
/// # Errors
/// The kernel's.
pub fn mount_in_private_namespace(device: &LoopDevice, access: Access<'_>) -> Result<File> {
    use nix::sched::{CloneFlags, unshare};
    use sys_mount::{Mount, MountFlags};

    // Any directory will do: nobody else sees what is mounted on it.
    let target = "/dev";
    crate::process::apart(|| {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).tried(|| "cannot make a mount namespace")?;
        rustix::mount::mount_change(
            "/",
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
        )
        .tried(|| "cannot make the mount namespace private")?;
        let nosymfollow = MountFlags::from_bits_retain(256);
        let mut flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | nosymfollow;
        let data = match access {
            // A superblock that is mounted read-write cannot be mounted read-only a second time.
            Access::HarvestPinned(label) => label.map(MountLabel::option).unwrap_or_default(),
            Access::Container(writable) => {
                flags.set(MountFlags::SYNCHRONOUS, writable.sync);
                writable.data()
            }
            Access::Harvest => {
                flags |= MountFlags::RDONLY;
                "errors=continue".to_owned()
            }
        };
        let mount = Mount::builder().fstype("ext4").flags(flags).data(&data).mount(device.path(), target);
        let what = || format!("cannot mount {}", device.path().display());
        match access {
            Access::Container(_) => mount.map(drop).tried(what)?,
            Access::Harvest | Access::HarvestPinned(_) => mount.map(drop).unreadable(what)?,
        }
        crate::host::open_dir(std::path::Path::new(target))
    })
}
