//! Attaching on kernels before 5.8, in two steps.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::loopback::devices::{SYS_BLOCK, attached, open};
use crate::image::superblock::{Condition, inspect};

/// What the kernel adds to the path of a file that has no name.
const NAMELESS: &str = " (deleted)";

pub(super) fn detach(path: &Path) -> Result<()> {
    let what = || format!("cannot detach {}", path.display());
    loopdev::LoopDevice::open(path).and_then(|device| device.detach()).tried(what)
}

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
        let (file, path) = open(number)?;
        let condition = inspect(&file).tried(|| format!("cannot read {}", path.display()))?;
        if matches!(condition, Condition::Ext4 { ours: true, .. }) {
            detach(&path)?;
        }
    }
    Ok(())
}

pub(super) fn attach(image: &File, name: &Path, read_only: bool, most: u32) -> Result<(File, PathBuf)> {
    if let Err(error) = name.parent().map_or(Ok(()), detach_stale) {
        log::debug!("{}", error.report());
    }
    let control = loopdev::LoopControl::open().tried(|| "cannot open /dev/loop-control")?;
    for attempt in 0..most {
        let device = match control.next_free() {
            // Another one took it and is just giving it up.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => {
                std::thread::sleep(Duration::from_micros(100) * attempt);
                continue;
            }
            found => found.tried(|| "cannot find a free loop device")?,
        };
        let path = device.path().ok_or_else(|| Error::new(ErrorKind::System, "a loop device has no path"))?;
        match device.with().read_only(read_only).autoclear(true).attach_fd(image.as_raw_fd()) {
            Ok(()) => {
                // Opened before `device` is closed: the last close detaches.
                let file = File::options().read(true).write(!read_only).open(&path);
                let file = file.tried(|| format!("cannot open {}", path.display()))?;
                return Ok((file, path));
            }
            Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => {
                std::thread::sleep(Duration::from_micros(100) * attempt);
            }
            Err(error) => return Err(error).tried(|| format!("cannot attach to {}", path.display())),
        }
    }
    Err(Error::new(
        ErrorKind::Busy,
        format!("cannot attach an image: other processes took all of {most} free loop devices first"),
    )
    .advise("try again"))
}
