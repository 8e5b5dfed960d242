//! The loop devices there are, and opening them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Tried};

/// Where the kernel lists block devices, one directory each.
pub(super) const SYS_BLOCK: &str = "/sys/block";
/// `SYSFS_MAGIC`, linux/magic.h.
const SYSFS_MAGIC: rustix::fs::FsWord = 0x6265_6572;
/// Where the kernel lists block devices that have a size, one line each: one file, where sysfs has an attribute to be looked
/// for of each device.
const PARTITIONS: &str = "/proc/partitions";
/// How often a device is opened that is just being given up.
const OPEN_ATTEMPTS: u32 = 30;

/// The device of that number, opened for reading, and its path.
///
/// # Errors
/// The kernel's.
pub(super) fn open(number: u32) -> Result<(File, PathBuf)> {
    let path = path_of(number);
    let mut opened = open_file(&path, false);
    for attempt in 1..OPEN_ATTEMPTS {
        // Its last user is just giving it up; it is another image's, or free, in a moment.
        if !matches!(&opened, Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO)) {
            break;
        }
        std::thread::sleep(Duration::from_micros(100) * attempt);
        opened = open_file(&path, false);
    }
    let file = opened.tried(|| format!("cannot open {}", path.display()))?;
    Ok((file, path))
}

/// The path of the device of that number.
pub(super) fn path_of(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/loop{number}"))
}

/// Opens a device.
///
/// # Errors
/// `ENXIO` while it is just being given up.
pub(super) fn open_file(path: &Path, writable: bool) -> std::io::Result<File> {
    File::options().read(true).write(writable).open(path)
}

/// The numbers of the devices to which something is attached that has a size.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when it cannot be known: then no image may be taken for one that is not in use.
pub(super) fn attached() -> Result<Vec<u32>> {
    match crate::proc::read(PARTITIONS) {
        // Masked by another file, it says nothing.
        Ok(lines) if lines.starts_with(b"major minor") => Ok(lines
            .split(|byte| *byte == b'\n')
            .filter_map(|line| number_of(str::from_utf8(line).ok()?.split_ascii_whitespace().nth(3)?))
            .collect()),
        _ => attached_by_sysfs(),
    }
}

/// The same of sysfs: for each device there is, whether it has an attribute that only one has to which something is attached.
fn attached_by_sysfs() -> Result<Vec<u32>> {
    let stat = rustix::fs::statfs(SYS_BLOCK);
    if !stat.as_ref().is_ok_and(|stat| stat.f_type == SYSFS_MAGIC) {
        let what = format!(
            "cannot know which images are in use: no sysfs on {SYS_BLOCK}, and {PARTITIONS} lists no devices"
        );
        let error = Error::new(ErrorKind::Unsupported, what).advise("mount /proc or /sys");
        return Err(match stat {
            Ok(_) => error,
            Err(why) => error.caused_by(why),
        });
    }
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(SYS_BLOCK).tried(|| format!("cannot list {SYS_BLOCK}"))? {
        let entry = entry.tried(|| format!("cannot list {SYS_BLOCK}"))?;
        let number = entry.file_name().to_str().and_then(number_of);
        // It spares opening every device.
        numbers.extend(number.filter(|_| entry.path().join("loop").exists()));
    }
    Ok(numbers)
}

/// The number in the name of a loop device.
fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("loop")?.parse().ok()
}
