//! Loop devices (loop(4)): finding the one behind an image, attaching an image to a free one.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::sys::loop_device;

/// How often a free device is looked for; another starter may take it first each time.
const MAX_ATTACH_TRIES: u32 = 64;
/// Where the kernel lists block devices, one directory each.
const SYS_BLOCK: &str = "/sys/block";
/// `SYSFS_MAGIC`, linux/magic.h.
const SYSFS_MAGIC: rustix::fs::FsWord = 0x6265_6572;
/// Where the kernel lists block devices that have a size, one line each.
const PARTITIONS: &str = "/proc/partitions";
/// How long between two looks at a device that is about to go.
const DETACH_POLL_INTERVAL: Duration = Duration::from_millis(2);
/// How often a device is opened that is just being given up.
const OPEN_ATTEMPTS: u32 = 30;

/// A loop device with an image attached. It detaches by itself when nobody has it open or mounted any more.
#[derive(Debug)]
pub struct LoopDevice {
    file: File,
    path: PathBuf,
}

impl LoopDevice {
    /// The path of the device, such as `/dev/loop0`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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
                opened => Self { file: opened.tried(|| format!("cannot open {}", path.display()))?, path },
            };
            match loop_device::configure(&device.file, image.as_fd(), label, flags) {
                Ok(()) => return Ok(device),
                Err(error) => match error.raw_os_error() {
                    Some(nix::libc::EBUSY) => std::thread::sleep(Duration::from_micros(100) * attempt),
                    Some(nix::libc::EINVAL | nix::libc::ENOTTY | nix::libc::ENOSYS) => {
                        return old::attach(image, name, read_only);
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

    /// Detaches the device, at once or when whoever has it mounted is done.
    ///
    /// # Errors
    /// The kernel's.
    #[cfg(feature = "old-kernels")]
    pub fn detach(&self) -> Result<()> {
        let what = || format!("cannot detach {}", self.path.display());
        loopdev::LoopDevice::open(&self.path).and_then(|device| device.detach()).tried(what)
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
        let wanted = Some((metadata.dev(), metadata.ino()));
        for number in attached()? {
            // A device that cannot be looked at may be the one: taken for free, the image would be mounted twice.
            let device = match Self::open(number, false) {
                Err(_) if !attached()?.contains(&number) => continue,
                other => other?,
            };
            let backing = loop_device::backing_file(&device.file);
            if backing.tried(|| format!("cannot inspect {}", device.path.display()))? == wanted {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    /// The device that `image` is still attached to after waiting for it to go, but not longer than `timeout`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_after(image: &File, timeout: Duration) -> Result<Option<Self>> {
        let deadline = Instant::now() + timeout;
        loop {
            match Self::of(image)? {
                Some(_) if Instant::now() < deadline => std::thread::sleep(DETACH_POLL_INTERVAL),
                other => return Ok(other),
            }
        }
    }

    fn open(number: u32, writable: bool) -> Result<Self> {
        let path = path_of(number);
        let mut opened = open_file(&path, writable);
        for attempt in 1..OPEN_ATTEMPTS {
            // Its last user is just giving it up; it is another image's, or free, in a moment.
            if !matches!(&opened, Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO)) {
                break;
            }
            std::thread::sleep(Duration::from_micros(100) * attempt);
            opened = open_file(&path, writable);
        }
        let file = opened.tried(|| format!("cannot open {}", path.display()))?;
        Ok(Self { file, path })
    }

    /// Detaches the devices that hooks have left which were killed in the middle of attaching an image in `dir` on an
    /// old kernel, before the image had its name: nobody else finds them any more.
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

fn path_of(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/loop{number}"))
}

fn open_file(path: &Path, writable: bool) -> std::io::Result<File> {
    File::options().read(true).write(writable).open(path)
}

/// The numbers of the devices to which something is attached.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when it cannot be known: then no image may be taken for one that nobody uses.
fn attached() -> Result<Vec<u32>> {
    if rustix::fs::statfs(SYS_BLOCK).is_ok_and(|stat| stat.f_type == SYSFS_MAGIC) {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(SYS_BLOCK).tried(|| format!("cannot list {SYS_BLOCK}"))? {
            let entry = entry.tried(|| format!("cannot list {SYS_BLOCK}"))?;
            let number = entry.file_name().to_str().and_then(number_of);
            // It spares opening every device.
            numbers.extend(number.filter(|_| entry.path().join("loop").exists()));
        }
        return Ok(numbers);
    }
    // A chroot, a rescue system, a container: the kernel lists every device that has a size here, too.
    let partitions = std::fs::read_to_string(PARTITIONS).map_err(|error| {
        let what = format!(
            "cannot know which images are in use: no sysfs on {SYS_BLOCK}, and cannot read {PARTITIONS}"
        );
        Error::new(ErrorKind::Unsupported, what).caused_by(error).advise("mount /sys or /proc")
    })?;
    // Masked by another file, it says nothing.
    if !partitions.starts_with("major minor") {
        let what = format!("cannot know which images are in use: {PARTITIONS} lists no devices");
        return Err(Error::new(ErrorKind::Unsupported, what).advise("mount /sys"));
    }
    Ok(partitions.lines().filter_map(|line| number_of(line.split_ascii_whitespace().nth(3)?)).collect())
}

/// The number in the name of a loop device.
fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("loop")?.parse().ok()
}

/// Attaching on kernels before 5.8, in two steps.
#[cfg(feature = "old-kernels")]
mod old {
    use super::{
        AsRawFd, Duration, Error, ErrorKind, File, LoopDevice, MAX_ATTACH_TRIES, Path, PathBuf, Result,
        SYS_BLOCK, Tried, attached,
    };
    use crate::image::superblock::{Condition, inspect};

    /// What the kernel adds to the path of a file that has no name.
    const NAMELESS: &str = " (deleted)";

    pub(super) fn detach_stale(dir: &Path) -> Result<()> {
        let dir = dir.canonicalize().tried(|| format!("cannot find {}", dir.display()))?;
        for number in attached()? {
            let attached = PathBuf::from(format!("{SYS_BLOCK}/loop{number}/loop"));
            let is = |attribute, value| {
                std::fs::read_to_string(attached.join(attribute)).is_ok_and(|text| text.trim_end() == value)
            };
            let backing = std::fs::read_to_string(attached.join("backing_file")).unwrap_or_default();
            let file = backing.trim_end_matches('\n').strip_suffix(NAMELESS).map(Path::new);
            if file.and_then(Path::parent) != Some(&dir) || !is("autoclear", "0") {
                continue;
            }
            let device = LoopDevice::open(number, false)?;
            let condition =
                inspect(&device.file).tried(|| format!("cannot read {}", device.path.display()))?;
            if matches!(condition, Condition::Ext4 { ours: true, .. }) {
                device.detach()?;
            }
        }
        Ok(())
    }

    pub(super) fn attach(image: &File, name: &Path, read_only: bool) -> Result<LoopDevice> {
        if let Err(error) = name.parent().map_or(Ok(()), detach_stale) {
            log::debug!("{}", error.report());
        }
        let control = loopdev::LoopControl::open().tried(|| "cannot open /dev/loop-control")?;
        for attempt in 0..MAX_ATTACH_TRIES {
            let device = match control.next_free() {
                // Another one took it and is just giving it up.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => {
                    std::thread::sleep(Duration::from_micros(100) * attempt);
                    continue;
                }
                found => found.tried(|| "cannot find a free loop device")?,
            };
            let path =
                device.path().ok_or_else(|| Error::new(ErrorKind::System, "a loop device has no path"))?;
            match device.with().read_only(read_only).autoclear(true).attach_fd(image.as_raw_fd()) {
                Ok(()) => {
                    // Opened before `device` is closed: the last close detaches.
                    let file = File::options().read(true).write(!read_only).open(&path);
                    let file = file.tried(|| format!("cannot open {}", path.display()))?;
                    return Ok(LoopDevice { file, path });
                }
                Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => {
                    std::thread::sleep(Duration::from_micros(100) * attempt);
                }
                Err(error) => return Err(error).tried(|| format!("cannot attach to {}", path.display())),
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!(
                "cannot attach an image: other processes took all of {MAX_ATTACH_TRIES} free loop devices first"
            ),
        )
        .advise("try again"))
    }
}

/// Built without support for kernels before 5.8.
#[cfg(not(feature = "old-kernels"))]
mod old {
    use super::{Error, ErrorKind, File, LoopDevice, Path, Result};

    pub(super) fn attach(_image: &File, _name: &Path, _read_only: bool) -> Result<LoopDevice> {
        Err(Error::new(ErrorKind::Unsupported, "this kernel has no LOOP_CONFIGURE")
            .advise("use Linux 5.8 or newer, or build with the feature old-kernels"))
    }
}
