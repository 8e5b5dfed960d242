//! Repairing an image that was in use when the power went: `e2fsck`, as the host does it with its own disks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_extra::file::CopyOptions;

use crate::error::{Error, ErrorKind, Result};
use crate::image::lock::LockedImage;
use crate::tool;

/// How long `e2fsck` may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Exit codes of e2fsck(8) that mean: as good as new.
const REPAIRED: i32 = 1 | 2;

/// Brings a dirty image into a state that can be read: replays the journal, repairs what is safe to repair. When that
/// is not enough, a copy is set aside first and everything is repaired.
///
/// # Errors
/// [`ErrorKind::Unsupported`] without `e2fsck`, [`ErrorKind::Corrupt`] when it gave up. The image is kept as it is.
pub fn repair(image: &LockedImage) -> Result<()> {
    let gentle = e2fsck(image, "-p")?;
    if gentle.code.is_some_and(|code| code & !REPAIRED == 0) {
        return Ok(());
    }
    let copy = aside(image.path())?;
    let options = CopyOptions::new();
    fs_extra::file::copy(image.path(), &copy, &options).map_err(|e| {
        let what = format!("cannot copy the damaged image {} to {}", image.path().display(), copy.display());
        Error::new(ErrorKind::NoSpace, what)
            .caused_by(e)
            .advise("make room, or remove the image if it is of no use")
    })?;
    log::warn!(
        "the image {} is damaged ({}); a copy is kept as {}",
        image.path().display(),
        gentle.last_words,
        copy.display()
    );
    let thorough = e2fsck(image, "-y")?;
    if thorough.code.is_some_and(|code| code & !REPAIRED == 0) {
        return Ok(());
    }
    let what = format!("the image {} cannot be repaired: {}", image.path().display(), thorough.last_words);
    Err(Error::new(ErrorKind::Corrupt, what))
}

/// Moves an image that is of no use out of the way.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when there are too many set aside already; else the kernel's.
pub fn set_aside(image: &LockedImage) -> Result<PathBuf> {
    use crate::error::Tried;

    let target = aside(image.path())?;
    std::fs::rename(image.path(), &target)
        .tried(|| format!("cannot rename {} to {}", image.path().display(), target.display()))?;
    Ok(target)
}

fn e2fsck(image: &LockedImage, mode: &str) -> Result<tool::Outcome> {
    let arguments = ["-f", mode, tool::WORK_FILE];
    let environment = [("E2FSCK_CONFIG", "/dev/null"), ("LC_ALL", "C")];
    tool::run("e2fsck", &arguments, &environment, image.file(), PATIENCE)
        .map_err(|e| e.within(format!("the image {}", image.path().display())))
}

/// Whether a file was set aside by [`repair`] or [`set_aside`], for people to look at.
#[must_use]
pub fn is_set_aside(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.to_string_lossy().starts_with("damaged"))
}

/// A free name beside the image for something damaged. There are four of them: a device that breaks its images at
/// every start must not fill its disk with them.
fn aside(image: &Path) -> Result<PathBuf> {
    for n in 1..=4 {
        let mut name = image.as_os_str().to_owned();
        name.push(format!(".damaged{n}"));
        if std::fs::symlink_metadata(&name).is_err() {
            return Ok(name.into());
        }
    }
    let what = format!("there are four damaged copies of the image {} already", image.display());
    Err(Error::new(ErrorKind::Corrupt, what).advise("look at them, and remove them"))
}
