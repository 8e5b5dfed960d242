//! The image of a loop mount: made when it is missing, checked when it is there. What is in it is never thrown away.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use crate::control::model::state::ExitStatus;
use crate::control::plugins::plugin::blocking;
use crate::control::process::helper::{Helper, Streams};
use crate::dobby::runtime::LoopMount;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::create::NewImage;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::superblock::{Condition, inspect};
use crate::tool;

/// How long another one that works on the image is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a program may take to make or to check a file system.
const TOOL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a loop device may take to go after its container.
const DETACH_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of a program's output is kept.
const MAX_OUTPUT: usize = 4096;
/// Exit codes of e2fsck(8) that mean: as good as new.
const REPAIRED: i32 = 1 | 2;

/// The image, locked and ready to be mounted.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none and none may be made, [`ErrorKind::Corrupt`] when it is damaged;
/// [`ErrorKind::Attack`] for what is not a file of root's.
pub(crate) async fn ready(mount: &LoopMount) -> Result<LockedImage> {
    let managed = mount.managed && mount.image_size > 0;
    if let Some(image) = open(&mount.source).await? {
        return if managed && is_ext(mount) { checked(image).await } else { Ok(image) };
    }
    if !managed {
        let what = format!("there is no image {}", mount.source.display());
        return Err(Error::new(ErrorKind::NotFound, what).advise("make it, or let imgmanagement do so"));
    }
    make(mount).await?;
    open(&mount.source).await?.ok_or_else(|| {
        Error::new(ErrorKind::Busy, format!("the new image {} was removed", mount.source.display()))
    })
}

async fn open(path: &Path) -> Result<Option<LockedImage>> {
    let path = path.to_owned();
    blocking(move || LockedImage::open(&path, LOCK_TIMEOUT)).await
}

pub(crate) fn is_ext(mount: &LoopMount) -> bool {
    ["ext2", "ext3", "ext4"].iter().any(|kind| mount.fstype.eq_ignore_ascii_case(kind))
}

/// Makes the image. It has no name before it is whole.
async fn make(mount: &LoopMount) -> Result<()> {
    let kind = mount.fstype.to_lowercase();
    let (program, options) = match kind.as_str() {
        "ext2" | "ext3" | "ext4" => (tool::find("mke2fs", "e2fsprogs")?, vec!["-q", "-F", "-t", &kind]),
        "xfs" => (tool::find("mkfs.xfs", "xfsprogs")?, vec!["-q", "-f"]),
        _ => {
            let what = format!("cannot make an image of type {}", crate::log::shown(&kind.into()));
            return Err(Error::new(ErrorKind::Config, what).advise("use ext2, ext3, ext4 or xfs"));
        }
    };
    let (path, size) = (mount.source.clone(), mount.image_size);
    let new = blocking(move || NewImage::empty(&path, size, "rdkPlugins.storage.data.loopback")).await?;
    let (code, said) = run(&program, &options, new.file(), &mount.source).await?;
    if code != 0 {
        // Its usage follows.
        let said = crate::log::cut(said.lines().next().unwrap_or_default());
        let what = format!("{} ended with {code}: {said}", program.display());
        return Err(Error::new(ErrorKind::System, what));
    }
    let shown = mount.source.display().to_string();
    blocking(move || {
        new.file().sync_all().tried(|| format!("cannot write the image {shown}"))?;
        new.publish().map(drop)
    })
    .await
}

/// Repairs the file system if `e2fsck` can do so without a loss, so that the kernel gets no damaged one to mount.
async fn checked(image: LockedImage) -> Result<LockedImage> {
    let (image, dirty) = blocking(move || is_dirty(&image).map(|dirty| (image, dirty))).await?;
    if !dirty {
        return Ok(image);
    }
    let (code, said) = run(&tool::find("e2fsck", "e2fsprogs")?, &["-p"], image.file(), image.path()).await?;
    if code & !REPAIRED == 0 {
        return Ok(image);
    }
    let shown = image.path().display();
    // Indented lines go on with the one before.
    let said = said.lines().rfind(|line| line.starts_with(|first: char| !first.is_whitespace()));
    let said = crate::log::cut(said.unwrap_or_default());
    let what = format!("the image {shown} is damaged: e2fsck -p ended with {code}: {said}");
    Err(Error::new(ErrorKind::Corrupt, what).advise("repair it by hand (e2fsck), or remove it"))
}

/// Whether the image was in use when the power went. One that is in use now is not.
fn is_dirty(image: &LockedImage) -> Result<bool> {
    let shown = image.path().display();
    if LoopDevice::of(image.file())?.is_some() {
        return Ok(false);
    }
    match inspect(image.file()).tried(|| format!("cannot read the image {shown}"))? {
        Condition::Ext4 { dirty, .. } => Ok(dirty),
        Condition::Blank { .. } | Condition::Unknown => {
            let what = format!("the image {shown} holds no file system of its type");
            Err(Error::new(ErrorKind::Corrupt, what).advise("it is left untouched; remove it"))
        }
    }
}

/// Runs a program on an open image; its exit code, and what it said. It finds the image through our own descriptor, and is not ended with
/// us: half a repair is worse than none.
async fn run(program: &Path, options: &[&str], image: &File, shown: &Path) -> Result<(i32, String)> {
    let mut helper = Helper::new(program, Streams::Captured(MAX_OUTPUT), TOOL_TIMEOUT).detached();
    helper.args(options).args([format!("/proc/{}/fd/{}", std::process::id(), image.as_raw_fd())]);
    let finished = helper.run().await?;
    // e2fsck complains on its standard output.
    let said = if finished.stderr.is_empty() { &finished.stdout } else { &finished.stderr };
    let said = String::from_utf8_lossy(said);
    match finished.exit {
        ExitStatus::Code(code) => {
            if code != 0 {
                log::warn!("{} {}: {}", program.display(), shown.display(), crate::log::cut(said.trim()));
            }
            Ok((code, said.trim().to_owned()))
        }
        exit => {
            let what = format!("{} on {} ended with {exit}", program.display(), shown.display());
            Err(Error::new(ErrorKind::System, what))
        }
    }
}

/// Detaches the loop device of an image as soon as no container has it mounted.
pub(crate) fn release(path: &Path) -> Result<()> {
    let Some(image) = LockedImage::open(path, LOCK_TIMEOUT)? else { return Ok(()) };
    LoopDevice::of(image.file())?.map_or(Ok(()), |device| device.detach())
}

/// Removes an image that goes with its container, unless another one uses it, whose it is then.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let Some(image) = LockedImage::open(path, LOCK_TIMEOUT)? else { return Ok(()) };
    match LoopDevice::of_after(image.file(), DETACH_TIMEOUT)? {
        Some(_) => Ok(()),
        None => image.remove(),
    }
}
