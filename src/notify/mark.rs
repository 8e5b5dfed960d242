//! How far a dump's hand-over has come, on the dump itself: so that one whose entry was not written is found later.
//!
//! A dump waits from before it has its name until its entry is in the spool. The attribute for that is one that only the
//! host's root can set and remove (`trusted`, xattr(7)), wherever a container can write. A file system without extended
//! attributes keeps no marks.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

/// The attribute of a dump that has no entry yet.
const WAITING: &str = "trusted.oci-minidump.waiting";
/// Its value if the crash was counted.
const COUNTED: &[u8] = b"counted";
/// The attribute of a dump that has had one.
const LEFT: &str = "user.oci-minidump.handed-over";

/// Marks a dump that gets its name next as one that waits, and holds its lock: no other process leaves an entry for it as
/// long as the file is open.
pub fn begin(dump: &File) {
    // Nothing else can have it open. What has no locks has no marks either, or is looked at by one process.
    let _locked = rustix::fs::flock(dump, FlockOperation::NonBlockingLockExclusive);
    if let Err(error) = rustix::fs::fsetxattr(dump, WAITING, b"1", XattrFlags::empty()) {
        log::debug!("cannot mark a dump for its hand-over: {error}");
    }
}

/// Notes that a dump which waits was counted.
pub fn count(dump: &File) {
    if let Err(error) = rustix::fs::fsetxattr(dump, WAITING, COUNTED, XattrFlags::empty()) {
        log::debug!("cannot mark a dump as counted: {error}");
    }
}

/// Whether a dump that waits was counted.
#[must_use]
pub fn is_counted(dump: &File) -> bool {
    let mut value = [0; 16];
    let length = rustix::fs::fgetxattr(dump, WAITING, &mut value[..]).unwrap_or(0);
    value.get(..length) == Some(COUNTED)
}

/// Notes that a dump has its entry.
pub fn end(dump: &File) {
    if let Err(error) = rustix::fs::fsetxattr(dump, LEFT, b"1", XattrFlags::empty()) {
        log::debug!("cannot mark a dump: {error}");
    }
    remove(rustix::fs::fremovexattr(dump, WAITING));
}

/// The same for a dump whose entry is taken: a hook that was killed may not have noted it.
pub(super) fn end_at(path: &Path) {
    if is_waiting(path) {
        let _unmarked = rustix::fs::lsetxattr(path, LEFT, b"1", XattrFlags::empty());
        remove(rustix::fs::lremovexattr(path, WAITING));
    }
}

/// Whether a dump waits for its entry.
#[must_use]
pub fn is_waiting(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, WAITING, &mut [0; 16][..]).is_ok()
}

/// Whether a dump has had its entry.
#[must_use]
pub fn is_left(dump: &File) -> bool {
    rustix::fs::fgetxattr(dump, LEFT, &mut [0; 16][..]).is_ok()
}

/// Opens and locks a published dump; `None` when it has gone, is not a file, or another process is at it.
#[must_use]
pub fn lock(path: &Path) -> Option<File> {
    // Something else may lie there by now: a FIFO would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let is_free =
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK);
    (is_file && is_free).then_some(file)
}

fn remove(removed: rustix::io::Result<()>) {
    match removed {
        // It had none.
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(error) => log::debug!("cannot remove the mark of a dump: {error}"),
    }
}
