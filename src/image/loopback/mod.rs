//! Loop devices (loop(4)): finding the one behind an image, attaching an image to a free one.

mod devices;
#[cfg(feature = "old-kernels")]
mod old;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::loopback::devices::{attached, open_file, path_of};
use crate::sys::loop_device::{self, BackingFile};

/// How often a free device is looked for; another starter may take it first each time.
const MAX_ATTACH_TRIES: u32 = 64;
/// How long between two looks at a device that is about to go.
const DETACH_POLL_INTERVAL: Duration = Duration::from_millis(2);
/// How long the device of a reader is waited for.
const READER_TIMEOUT: Duration = Duration::from_secs(2);

/// A loop device with an image attached. It detaches by itself when no process has it open or mounted any more.
#[derive(Debug)]
pub struct LoopDevice {
    file: File,
    path: PathBuf,
    read_only: bool,
}

impl LoopDevice {
    /// The path of the device, such as `/dev/loop0`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the device cannot be written to: no container has it, but a reader of the image.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The device number, as in the `st_rdev` of its node.
    ///
    /// # Errors
    /// The kernel's.
    pub fn number(&self) -> Result<u64> {
        Ok(self.file.metadata().tried(|| format!("cannot inspect {}", self.path.display()))?.rdev())
    }

    /// Attaches `image` to a free device. `name` is what `losetup` shows.
    ///
    /// The device keeps the open file it is given, and with it every lock on it (flock(2)), so it gets one of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without loop devices, [`ErrorKind::Busy`] when others take every free one first.
    pub fn attach(image: &File, name: &Path, read_only: bool) -> Result<Self> {
        let control = File::open("/dev/loop-control").map_err(|error| {
            Error::new(ErrorKind::Unsupported, "cannot open /dev/loop-control")
                .caused_by(error)
                .advise("load the kernel module loop (modprobe loop), and run as root")
        })?;
        let again = format!("/proc/self/fd/{}", image.as_raw_fd());
        let image = &File::options()
            .read(true)
            .write(!read_only)
            .open(&again)
            .tried(|| format!("cannot open {} again by {again}", name.display()))?;
        let flags = loop_device::AUTOCLEAR | if read_only { loop_device::READ_ONLY } else { 0 };
        let label = name.as_os_str().as_encoded_bytes();
        for attempt in 0..MAX_ATTACH_TRIES {
            let number = loop_device::get_free(&control).tried(|| "cannot find a free loop device")?;
            let path = path_of(number);
            let device = match open_file(&path, !read_only) {
                // Another one took it and is just giving it up.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => {
                    std::thread::sleep(Duration::from_micros(100) * attempt);
                    continue;
                }
                opened => Self {
                    file: opened.tried(|| format!("cannot open {}", path.display()))?,
                    path,
                    read_only,
                },
            };
            match loop_device::configure(&device.file, image.as_fd(), label, flags) {
                Ok(()) => return Ok(device),
                Err(error) => match error.raw_os_error() {
                    Some(nix::libc::EBUSY) => std::thread::sleep(Duration::from_micros(100) * attempt),
                    Some(nix::libc::EINVAL | nix::libc::ENOTTY | nix::libc::ENOSYS) => {
                        let (file, path) = old::attach(image, name, read_only, MAX_ATTACH_TRIES)?;
                        return Ok(Self { file, path, read_only });
                    }
                    _ => {
                        let what = format!("cannot attach {} to {}", name.display(), device.path.display());
                        return Err(error).tried(|| what);
                    }
                },
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("cannot attach an image: other processes took all of {MAX_ATTACH_TRIES} free loop devices first"),
        )
        .advise("try again"))
    }

    /// Detaches the device, at once or when the process that has it mounted is done.
    ///
    /// # Errors
    /// The kernel's.
    #[cfg(feature = "old-kernels")]
    pub fn detach(&self) -> Result<()> {
        old::detach(&self.path)
    }

    /// Without support for old kernels, every device detaches by itself.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "old-kernels"))]
    pub fn detach(&self) -> Result<()> {
        Ok(())
    }

    /// The device that `image` is attached to, if any, found by device and inode number, not by name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(image: &File) -> Result<Option<Self>> {
        let metadata = image.metadata().tried(|| "cannot inspect the image")?;
        let wanted = (metadata.dev(), metadata.ino());
        for number in attached()? {
            // A device that cannot be looked at may be the one: taken for free, the image would be mounted twice.
            let (file, path) = match devices::open(number) {
                Err(_) if !attached()?.contains(&number) => continue,
                other => other?,
            };
            let backing = loop_device::backing_file(&file);
            let backing = backing.tried(|| format!("cannot inspect {}", path.display()))?;
            if let Some(BackingFile { read_only, .. }) = backing.filter(|backing| backing.identity == wanted)
            {
                return Ok(Some(Self { file, path, read_only }));
            }
        }
        Ok(None)
    }

    /// The device that `image` is still attached to after waiting for it to go, but not longer than `timeout`.
    ///
    /// A reader's device goes by itself, but not while another process, which looks for an image of its own, has it open
    /// for a moment: it is waited for in any case.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_after(image: &File, timeout: Duration) -> Result<Option<Self>> {
        let start = Instant::now();
        loop {
            let Some(device) = Self::of(image)? else { return Ok(None) };
            let timeout = if device.read_only { timeout.max(READER_TIMEOUT) } else { timeout };
            if start.elapsed() >= timeout {
                return Ok(Some(device));
            }
            drop(device);
            std::thread::sleep(DETACH_POLL_INTERVAL);
        }
    }

    /// Detaches the devices that hooks have left which were killed in the middle of attaching an image in `dir` on an
    /// old kernel, before the image had its name: nothing else finds them any more.
    ///
    /// Another hook may be just there: it has the device open, so that detaching waits for it, which is what it was about
    /// to ask for.
    ///
    /// # Errors
    /// The kernel's.
    #[cfg(feature = "old-kernels")]
    pub fn detach_stale(dir: &Path) -> Result<()> {
        old::detach_stale(dir)
    }

    /// Without support for old kernels, every device detaches by itself.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "old-kernels"))]
    pub fn detach_stale(_dir: &Path) -> Result<()> {
        Ok(())
    }
}

/// Built without support for kernels before 5.8.
#[cfg(not(feature = "old-kernels"))]
mod old {
    use super::{Error, ErrorKind, File, Path, PathBuf, Result};

    pub(super) fn attach(
        _image: &File,
        _name: &Path,
        _read_only: bool,
        _most: u32,
    ) -> Result<(File, PathBuf)> {
        Err(Error::new(ErrorKind::Unsupported, "this kernel has no LOOP_CONFIGURE")
            .advise("use Linux 5.8 or newer, or build with the feature old-kernels"))
    }
}
