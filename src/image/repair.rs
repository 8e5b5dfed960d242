//! Repairing an image that was in use when the power went: `e2fsck`, as the host does it with its own disks.
//!
//! A copy is repaired, never the image: `e2fsck` writes a superblock and its checksum piece by piece, and killed in
//! between, it leaves a file system that nobody can repair any more.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried, Unreadable};
use crate::image::lock::LockedImage;
use crate::image::read::files::pump;
use crate::image::temporary;
use crate::tool;

/// How long `e2fsck` may take.
const E2FSCK_TIMEOUT: Duration = Duration::from_secs(20);
/// How much is written at once where room cannot be reserved.
const CHUNK: usize = 64 << 10;
/// Exit codes of e2fsck(8) that mean: as good as new.
const REPAIRED: i32 = 1 | 2;
/// From this code on, it has not looked at the file system: it could not be started as it was to be.
const NOT_RUN: i32 = 16;

/// A repaired copy of an image.
#[derive(Debug)]
pub struct Repaired {
    /// The copy. It has no name, and goes with its last descriptor.
    pub file: File,
    /// Whether more than the journal had to be repaired, so that something may be missing in the copy.
    pub damaged: bool,
}

/// Makes a copy of a dirty image that can be read: replays the journal, repairs what is safe to repair, and when that is
/// not enough, everything.
///
/// # Errors
/// [`ErrorKind::Unsupported`] without `e2fsck`, [`ErrorKind::NoSpace`] when there is no room for the copy,
/// [`ErrorKind::Corrupt`] when it gave up. The image is as it was in any case.
pub fn repair(image: &LockedImage, deadline: Deadline) -> Result<Repaired> {
    let path = image.path().display();
    let file = copy(image, deadline)?;
    let gentle = e2fsck(image, &file, "-p", deadline)?;
    if is_repaired(&gentle) {
        return Ok(Repaired { file, damaged: false });
    }
    log::warn!("the image {path} is damaged ({})", gentle.output_tail);
    // What the first try left may be half of a journal.
    let file = copy(image, deadline)?;
    let thorough = e2fsck(image, &file, "-y", deadline)?;
    if is_repaired(&thorough) {
        return Ok(Repaired { file, damaged: true });
    }
    let what = format!("the image {path} cannot be repaired: {}", thorough.output_tail);
    Err(Error::new(ErrorKind::Corrupt, what))
}

fn is_repaired(outcome: &tool::Outcome) -> bool {
    outcome.code.is_some_and(|code| code & !REPAIRED == 0)
}

/// Copies an image into a file without a name beside it.
fn copy(image: &LockedImage, deadline: Deadline) -> Result<File> {
    copy_whole(image, deadline).map_err(|e| {
        Error::new(e.kind(), format!("cannot copy the image {} to repair it", image.path().display()))
            .caused_by(e)
            .advise("make room, or remove the image if it is of no use")
    })
}

/// The copy has all its blocks: e2fsck takes a full disk in the middle of its work for damage.
fn copy_whole(image: &LockedImage, deadline: Deadline) -> Result<File> {
    let file = unnamed(image.path()).tried(|| "cannot make a file beside it")?;
    reserve(&file, image.size()?, deadline)?;
    let mut at = 0_u64;
    pump(&file, image.size()?, deadline, |chunk| {
        let count = image.file().read_at(chunk, at).unreadable(|| "cannot read it")?;
        at += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    })?;
    Ok(file)
}

/// Reserves room for all bytes of a file; where the file system cannot, by writing them.
fn reserve(file: &File, size: u64, deadline: Deadline) -> Result<()> {
    let what = || "cannot reserve room for the copy";
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        other => return other.tried(what),
    }
    let zeros = vec![0; CHUNK];
    let mut at = 0;
    while at < size {
        deadline.check("reserving room for the copy")?;
        let count = usize::try_from(size - at).unwrap_or(usize::MAX).min(CHUNK);
        file.write_all_at(zeros.get(..count).unwrap_or_default(), at).tried(what)?;
        at += u64::try_from(count).unwrap_or(u64::MAX);
    }
    Ok(())
}

fn unnamed(image: &Path) -> std::io::Result<File> {
    let dir = image.parent().unwrap_or(Path::new("/"));
    let mode = Mode::from_raw_mode(0o600);
    match rustix::fs::openat(CWD, dir, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(fd) => Ok(fd.into()),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let temporary = temporary::path(image, temporary::REPAIR);
            // What is there was left by a hook that was killed: we hold the lock of the image.
            let _stale = std::fs::remove_file(&temporary);
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(CWD, &temporary, flags, mode)?;
            std::fs::remove_file(&temporary)?;
            Ok(fd.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn e2fsck(image: &LockedImage, file: &File, mode: &str, deadline: Deadline) -> Result<tool::Outcome> {
    deadline.check("repairing the image")?;
    let arguments = ["-f", mode, tool::WORK_FILE];
    let environment = [("E2FSCK_CONFIG", "/dev/null"), ("LC_ALL", "C")];
    let outcome = tool::run("e2fsck", &arguments, &environment, file, deadline.left(E2FSCK_TIMEOUT));
    // Killed by us because of the deadline, it says nothing of the image.
    deadline.check("repairing the image")?;
    let within = |e: Error| e.within(format!("the image {}", image.path().display()));
    outcome.and_then(ended).map_err(within)
}

/// What e2fsck found. One that a signal ended, such as that of the kernel when memory runs out, says nothing of the image, and
/// neither does one that could not run, such as one without its libraries.
fn ended(outcome: tool::Outcome) -> Result<tool::Outcome> {
    match outcome.code {
        Some(code) if code < NOT_RUN => Ok(outcome),
        Some(code) => {
            let what = format!("e2fsck cannot run (exit code {code}): {}", outcome.output_tail);
            Err(Error::new(ErrorKind::Unsupported, what).advise("install e2fsprogs again"))
        }
        None => {
            let what = format!("e2fsck was killed: {}", outcome.output_tail);
            Err(Error::new(ErrorKind::System, what).advise("sweep harvests the image later"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_was_killed_or_cannot_run_does_not_condemn_the_image() {
        let outcome = |code| tool::Outcome { code, output_tail: String::new() };
        assert_eq!(ended(outcome(None)).unwrap_err().kind(), ErrorKind::System);
        assert_eq!(ended(outcome(Some(4))).unwrap().code, Some(4), "errors are left");
        for code in [16, 32, 127, 128] {
            assert_eq!(ended(outcome(Some(code))).unwrap_err().kind(), ErrorKind::Unsupported, "{code}");
        }
    }
}
