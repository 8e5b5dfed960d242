//! An image in memory is written to the disk, whole and with its mark, before it goes from memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::XattrFlags;

use crate::deadline::Deadline;
use crate::error::{Error, Result, Tried, Unreadable};
use crate::host::write::sync_parent;
use crate::image::create::NewImage;
use crate::image::identity::Identity;
use crate::image::lock::LockedImage;
use crate::image::mark::Mark;
use crate::image::read::files::pump;

/// How long writing one image may take. Runtimes wait for a poststop, whose harvest has had its time by then.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What the names of our attributes begin with.
const ATTRIBUTES: &[u8] = b"user.oci-minidump.";
/// The most bytes that the names of all attributes of a file take, and the value of one of ours.
const MAX_NAMES: usize = 64 << 10;
const MAX_VALUE: usize = 4096;

/// Moves an image from memory to `target`, a name on the disk that no other image has. `mark` is whose it is, for a tmpfs
/// that has kept no mark.
///
/// # Errors
/// [`Busy`](crate::error::ErrorKind::Busy) when it is attached, or another file has that name: it stays in memory. Else the
/// kernel's.
pub fn to_disk(image: &LockedImage, mark: Option<&Mark>, target: &Path) -> Result<()> {
    let within = |e: Error| {
        e.within(format!("cannot write the image {} to the disk", image.path().display())).advise(
            "it stays in memory, where a power cut takes it: make room and run 'oci-minidump-hook sweep'",
        )
    };
    write(image, mark, target).map_err(within)?;
    image.remove()
}

fn write(image: &LockedImage, mark: Option<&Mark>, target: &Path) -> Result<()> {
    if let Some(device) = image.attached(Duration::ZERO)? {
        return Err(image.in_use(&device));
    }
    if !is_there(target, &image.identity()?)? {
        let size = image.size()?;
        let new = NewImage::blank(target, size)?;
        new.reserve(size)?;
        let mut at = 0_u64;
        pump(new.file(), size, Deadline::after(TIMEOUT), |chunk| {
            let count = image.file().read_at(chunk, at).unreadable(|| "cannot read it")?;
            at += u64::try_from(count).unwrap_or(u64::MAX);
            Ok(count)
        })?;
        if let Some(mark) = mark {
            mark.write(new.file());
        }
        copy_attributes(image.file(), new.file());
        new.file().sync_all().tried(|| format!("cannot sync {}", target.display()))?;
        new.publish()?;
    }
    sync_parent(target)
}

/// Whether the same image is there already: a hook was killed between naming it and removing it from memory.
///
/// # Errors
/// As [`LockedImage::open`].
pub(super) fn is_there(target: &Path, identity: &Identity) -> Result<bool> {
    let Some(there) = LockedImage::open(target, Duration::ZERO)? else { return Ok(false) };
    Ok(there.identity()?.is_same(identity))
}

/// Copies what we have noted on an image. Without it, the records say it, or the next start.
fn copy_attributes(from: &File, to: &File) {
    let mut names = vec![0; MAX_NAMES];
    let length = rustix::fs::flistxattr(from, &mut names).unwrap_or(0);
    let names = names.get(..length).unwrap_or_default().split(|byte| *byte == 0);
    for name in names.filter(|name| name.starts_with(ATTRIBUTES)) {
        let mut value = vec![0; MAX_VALUE];
        let copied = rustix::fs::fgetxattr(from, name, &mut value).and_then(|length| {
            rustix::fs::fsetxattr(to, name, value.get(..length).unwrap_or_default(), XattrFlags::empty())
        });
        if let Err(error) = copied {
            log::debug!("cannot copy {} of an image: {error}", String::from_utf8_lossy(name));
        }
    }
}
