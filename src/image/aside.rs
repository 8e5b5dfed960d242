//! Images that were moved out of the way of the next one, in the same directory: with dumps that cannot be harvested yet, or
//! damaged beyond reading.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::identity::Identity;
use crate::image::lock::LockedImage;
use crate::image::memory::copy::to_disk;
use crate::image::temporary::is_temporary;

/// Between the name of an image and its identity, when it waits for its harvest.
const WAITING: &str = ".aside-";
/// Between the name of an image and a number, when it is damaged.
const DAMAGED: &str = ".damaged";
/// How many images of one name wait at most; each keeps as much disk as it had.
pub const MAX_WAITING: usize = 8;
/// How many damaged images of one name are kept: a device that breaks its images at every start must not fill its disk.
const MAX_DAMAGED: usize = 4;
/// How many bytes of an image's name stay, so that the longest additions fit into a file name.
const MAX_STEM: usize = 200;

/// Where the image with that identity, which was at `image`, waits for its harvest.
#[must_use]
pub fn waiting_path(image: &Path, identity: &Identity) -> PathBuf {
    with_addition(image, format!("{WAITING}{identity}").as_ref())
}

/// The images that were at `image` and wait for their harvest.
///
/// # Errors
/// The kernel's.
pub fn waiting(image: &Path) -> Result<Vec<PathBuf>> {
    let start = with_addition(image, WAITING.as_ref());
    let start = start.file_name().unwrap_or_default().as_bytes();
    let is_waiting = |path: &PathBuf| path.file_name().unwrap_or_default().as_bytes().starts_with(start);
    let mut found = entries(image)?;
    found.retain(|path| is_waiting(path) && !is_damaged(path));
    Ok(found)
}

/// All files in the directory of an image.
fn entries(image: &Path) -> Result<Vec<PathBuf>> {
    let dir = image.parent().unwrap_or(Path::new("/"));
    let what = || format!("cannot list {}", dir.display());
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.tried(what)?,
    };
    entries.map(|entry| Ok(entry.tried(what)?.path())).collect()
}

/// Moves an image out of the way, to be harvested later: it may be attached and mounted, and stays so.
///
/// # Errors
/// [`ErrorKind::NoSpace`] when [`MAX_WAITING`] images of that name wait already; else the kernel's.
pub fn move_aside(image: &LockedImage) -> Result<PathBuf> {
    let target = free_waiting_path(image, image.path())?;
    image.rename(&target)?;
    Ok(target)
}

/// Where an image waits that is or would be at `path`, if there is room for one more.
///
/// # Errors
/// As [`move_aside`].
pub fn free_waiting_path(image: &LockedImage, path: &Path) -> Result<PathBuf> {
    if waiting(path)?.len() >= MAX_WAITING {
        let what = format!("{MAX_WAITING} images that were at {} wait for their harvest", path.display());
        return Err(
            Error::new(ErrorKind::NoSpace, what).advise("run 'oci-minidump-hook sweep' and do what it says")
        );
    }
    Ok(waiting_path(path, &image.identity()?))
}

/// Moves a damaged image out of the way, for people to look at. The oldest of too many go, but for those that a process has
/// locked or attached, and those that are not to be trusted. Their numbers say which is older: clocks jump.
/// One in memory goes to the disk.
///
/// # Errors
/// The kernel's, of the new name.
pub fn keep_damaged(image: &LockedImage) -> Result<PathBuf> {
    let disk = image.disk_place().filter(|_| matches!(image.attached(Duration::ZERO), Ok(None)));
    let home = home(disk.unwrap_or(image.path()));
    let kept = damaged(&home)?;
    let next = kept.keys().last().map_or(1, |number| number.saturating_add(1));
    let target = with_addition(&home, format!("{DAMAGED}{next}").as_ref());
    match disk {
        Some(_) => to_disk(image, None, &target)?,
        None => image.rename(&target)?,
    }
    let mut surplus = (kept.len() + 1).saturating_sub(MAX_DAMAGED);
    for path in kept.values() {
        if surplus == 0 {
            break;
        }
        match remove_damaged(path) {
            Ok(()) => {
                log::warn!("{} makes room for a newer damaged image", path.display());
                surplus -= 1;
            }
            Err(error) => log::warn!("{}; a newer one makes room", error.report()),
        }
    }
    Ok(target)
}

/// The damaged images that were at `home`, by their numbers.
fn damaged(home: &Path) -> Result<BTreeMap<u64, PathBuf>> {
    let start = with_addition(home, DAMAGED.as_ref());
    let number = |path: &PathBuf| {
        let number = path.file_name()?.as_bytes().strip_prefix(start.file_name()?.as_bytes())?;
        std::str::from_utf8(number).ok()?.parse().ok()
    };
    let entries = entries(home)?.into_iter();
    Ok(entries.filter_map(|path| Some((number(&path)?, path))).collect())
}

fn remove_damaged(path: &Path) -> Result<()> {
    let Some(image) = LockedImage::open(path, Duration::ZERO)? else { return Ok(()) };
    // Without a wait: a person may look at it for long.
    match image.attached(Duration::ZERO)? {
        Some(device) => Err(image.in_use(&device)),
        None => image.remove(),
    }
}

/// Whether a file was kept by [`keep_damaged`].
#[must_use]
pub fn is_damaged(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.as_bytes().starts_with(b"damaged"))
}

/// Whether a name is one that only the hook gives: another image of that name would be taken for what it stands for.
#[must_use]
pub fn is_reserved(path: &Path) -> bool {
    is_damaged(path) || home(path) != path || is_temporary(path)
}

/// Where an image was before it waited for its harvest.
fn home(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let waiting = WAITING.as_bytes();
    match name.windows(waiting.len()).position(|part| part == waiting) {
        Some(at) => path.with_file_name(OsStr::from_bytes(name.get(..at).unwrap_or(name))),
        None => path.to_owned(),
    }
}

fn with_addition(image: &Path, addition: &OsStr) -> PathBuf {
    let name = image.file_name().unwrap_or_default().as_bytes();
    let stem = name.get(..MAX_STEM).unwrap_or(name);
    image.with_file_name(OsString::from_vec([stem, addition.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_never_too_long() {
        let identity = Identity { device: 1, inode: 0xff, token: None };
        assert_eq!(waiting_path(Path::new("/d/a.img"), &identity), Path::new("/d/a.img.aside-1-ff"));
        let long = PathBuf::from(format!("/d/{}", "x".repeat(255)));
        let name = waiting_path(&long, &Identity { device: u64::MAX, inode: u64::MAX, token: None });
        assert!(name.file_name().unwrap().len() <= 255, "{}", name.display());
        assert!(is_damaged(Path::new("/d/a.img.damaged1")) && !is_damaged(Path::new("/d/damaged.img")));
        // One that waited and turns out to be damaged gets the name that it would have had.
        assert_eq!(home(Path::new("/d/a.img.aside-0123")), Path::new("/d/a.img"));
        for (name, is) in [
            ("a.img", false),
            ("a.img.aside-0123", true),
            ("a.damaged2", true),
            (".a.img.new", true),
            ("a.new", false),
        ] {
            assert_eq!(is_reserved(&Path::new("/d").join(name)), is, "{name}");
        }
    }
}
