//! Making an image: from the template for the default size, by `mke2fs` for every other.

pub mod root_inode;
pub(super) mod template;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::image::lock::{LockedImage, same_file};
use crate::image::loopback::LoopDevice;
use crate::image::superblock::LABEL;
use crate::image::temporary;
use crate::image::token::Token;
use crate::settings::{DEFAULT_IMGSIZE, Plan};
use crate::tool;

/// How long `mke2fs` may take; a gigabyte takes well under a second.
const MKE2FS_TIMEOUT: Duration = Duration::from_secs(15);
/// The features of an image: what kernels since 3.18 and the user-space reader know, whatever the host's mke2fs.conf.
const FEATURES: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,\
                        dir_nlink,extra_isize,metadata_csum";
/// The most files that an image can hold.
pub const MAX_INODES: u64 = 512;

/// A new image that has no name yet: it vanishes with its last descriptor unless [`NewImage::publish`] names it.
///
/// Naming it comes last, when it is already mounted: the mount has written the file system to the disk by then, so no
/// power cut leaves a half-made image under the final name, and no failure leaves anything.
#[derive(Debug)]
pub struct NewImage {
    file: File,
    path: PathBuf,
    /// The name it has meanwhile where the file system has no unnamed files.
    temporary: Option<PathBuf>,
}

impl NewImage {
    /// Makes the image that `plan` describes, locked. Its root directory belongs to the user and group `owner`, and
    /// everybody can write there.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] when the file system has no room for it, [`ErrorKind::Unsupported`] without `mke2fs`.
    pub fn make(plan: &Plan, owner: (u32, u32)) -> Result<Self> {
        let image = Self::empty(&plan.image, plan.imgsize, &plan.origin)?;
        let what = || format!("cannot write the image {}", plan.image.display());
        image.reserve(plan.imgsize)?;
        let token = Token::random()?;
        if plan.imgsize == DEFAULT_IMGSIZE {
            template::write(&image.file).tried(what)?;
            token.write(&image.file).tried(what)?;
        } else {
            run_mke2fs(&image.file, plan.imgsize, &token.as_uuid(), &[])
                .map_err(|e| e.within(plan.image.display()))?;
        }
        root_inode::write(&image.file, owner).tried(what)?;
        Ok(image)
    }

    /// Takes the room on the disk now: later, a write of the container would seem to succeed, and be lost.
    ///
    /// # Errors
    /// The kernel's.
    pub fn reserve(&self, size: u64) -> Result<()> {
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, size) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                log::warn!(
                    "the file system of {} cannot reserve room for the image: a dump is lost when it runs full",
                    self.path.display()
                );
                Ok(())
            }
            other => {
                other.tried(|| format!("cannot reserve {size} bytes for the image {}", self.path.display()))
            }
        }
    }

    /// Makes a locked file of `size` bytes for the image at `path`, all zeros; `origin` says where the size comes from.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] when the file system has no room for it; else the kernel's.
    pub fn empty(path: &Path, size: u64, origin: &str) -> Result<Self> {
        let dir = parent(path);
        host::make_dir(dir, 0o700)?;
        host::check_trusted(dir)?;
        if let Some(free) = host::free_bytes(dir)?
            && size > free
        {
            let what = format!("imgsize {size} is above the {free} bytes free in {}", dir.display());
            return Err(Error::new(ErrorKind::NoSpace, format!("{what} ({origin}.imgsize)")));
        }
        Self::zeros(path, size)
    }

    /// The same, without a look at how much room there is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn blank(path: &Path, size: u64) -> Result<Self> {
        let dir = parent(path);
        host::make_dir(dir, 0o700)?;
        host::check_trusted(dir)?;
        Self::zeros(path, size)
    }

    fn zeros(path: &Path, size: u64) -> Result<Self> {
        let image = Self::unnamed(path)?.locked()?;
        image.file.set_len(size).tried(|| format!("cannot write the image {}", path.display()))?;
        Ok(image)
    }

    fn locked(mut self) -> Result<Self> {
        let locked = rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive);
        if let Some(temporary) = self.temporary.take() {
            // Until it is locked, another start may take it for one that was left behind, and remove it.
            if locked == Err(Errno::WOULDBLOCK) || !same_file(&self.file, &temporary)? {
                return Err(made_at_once(&self.path));
            }
            self.temporary = Some(temporary);
        }
        locked.tried(|| format!("cannot lock the image {}", self.path.display()))?;
        Ok(self)
    }

    fn unnamed(path: &Path) -> Result<Self> {
        let dir = parent(path);
        let mode = Mode::from_raw_mode(0o600);
        let what = || format!("cannot make the image {}", path.display());
        match rustix::fs::openat(CWD, dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(fd) => Ok(Self { file: fd.into(), path: path.to_owned(), temporary: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let temporary = temporary::path(path, temporary::NEW);
                remove_stale(&temporary)?;
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(CWD, &temporary, flags, mode).tried(what)?;
                Ok(Self { file: fd.into(), path: path.to_owned(), temporary: Some(temporary) })
            }
            Err(error) => Err(error).tried(what),
        }
    }

    /// The image as a file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name that it will get.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the image its final name. It stays locked.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when another one has that name by now.
    pub fn publish(mut self) -> Result<LockedImage> {
        let result = match &self.temporary {
            None => {
                let dir = host::open_dir(parent(&self.path))?;
                host::write::link_unnamed(&self.file, dir, self.path.file_name().unwrap_or_default())
            }
            Some(temporary) => {
                let flags = rustix::fs::RenameFlags::NOREPLACE;
                rustix::fs::renameat_with(CWD, temporary, CWD, &self.path, flags)
            }
        };
        match result {
            Err(Errno::EXIST) => Err(made_at_once(&self.path)),
            other => {
                other.tried(|| format!("cannot name the image {}", self.path.display()))?;
                self.temporary = None;
                let file = self.file.try_clone().tried(|| "cannot duplicate the descriptor of the image")?;
                Ok(LockedImage::new(file, self.path.clone()))
            }
        }
    }
}

impl Drop for NewImage {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nobody but us knows the name; the next one to make the image removes what stays.
            let _stays = std::fs::remove_file(temporary);
        }
    }
}

fn made_at_once(path: &Path) -> Error {
    let what = format!("another process made the image {} at the same moment", path.display());
    Error::new(ErrorKind::Busy, what).advise("give every container an image of its own")
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Removes a temporary image whose maker died: nobody holds its lock.
fn remove_stale(temporary: &Path) -> Result<()> {
    let Ok(file) = File::open(temporary) else { return Ok(()) };
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let what = format!("another process is making the image {}", temporary.display());
        return Err(Error::new(ErrorKind::Busy, what));
    }
    // Killed in the middle of attaching on a kernel before 5.8, it left a device that does not detach by itself.
    if let Some(device) = LoopDevice::of(&file)? {
        device.detach()?;
    }
    std::fs::remove_file(temporary).tried(|| format!("cannot remove {}", temporary.display()))
}

/// Makes a file system of `size` bytes in `file` with `mke2fs`, whose options are pinned. `hash_seed` is a UUID.
///
/// # Errors
/// [`ErrorKind::Unsupported`] without `mke2fs`, [`ErrorKind::System`] with its last words when it fails.
pub fn run_mke2fs(file: &File, size: u64, hash_seed: &str, environment: &[(&str, &str)]) -> Result<()> {
    let inodes = (size >> 14).clamp(32, MAX_INODES).to_string();
    // Small blocks waste little in small images; the kernel wants a block group to be below 8 times the block size.
    let block = if size < 64 << 20 { "1024" } else { "4096" };
    let extended =
        format!("lazy_itable_init=0,lazy_journal_init=1,nodiscard,root_owner=0:0,hash_seed={hash_seed}");
    let arguments = [
        ["-t", "ext4"],
        ["-F", "-q"],
        ["-b", block],
        ["-I", "256"],
        ["-N", &inodes],
        ["-m", "0"],
        ["-L", LABEL],
        ["-U", "6f63692d-6d69-4e69-8475-6d7000000001"],
        ["-O", FEATURES],
        ["-E", &extended],
    ];
    let arguments: Vec<&str> = arguments.iter().flatten().copied().chain([tool::WORK_FILE]).collect();
    let environment: Vec<(&str, &str)> =
        [("MKE2FS_CONFIG", "/dev/null")].iter().chain(environment).copied().collect();
    let outcome = tool::run("mke2fs", &arguments, &environment, file, MKE2FS_TIMEOUT)?;
    if outcome.code == Some(0) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::System, format!("mke2fs failed: {}", outcome.output_tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_that_another_start_has_replaced_is_left_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, temporary) = (dir.path().join("a.img"), dir.path().join(".a.img.new"));
        let make = || {
            let file = File::create_new(&temporary).unwrap();
            NewImage { file, path: path.clone(), temporary: Some(temporary.clone()) }
        };
        let ours = make();
        remove_stale(&temporary).unwrap();
        let other = make().locked().unwrap();
        assert_eq!(ours.locked().unwrap_err().kind(), ErrorKind::Busy);
        assert!(temporary.exists());
        other.publish().unwrap();
        assert!(path.exists() && !temporary.exists());
    }
}
