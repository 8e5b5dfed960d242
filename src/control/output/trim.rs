//! Cuts a log to its end: at its beginning where the file system can do that, else by a copy into a second file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Result, Tried};

/// How often the end of a log is copied that grows under our hands.
const ROUNDS: u32 = 10;

/// Cuts a file to about its last `keep` bytes, which may end up in `older`. How many bytes are gone then, of both.
///
/// # Errors
/// The kernel's.
pub(crate) fn cut(path: &Path, older: &Path, keep: u64) -> Result<u64> {
    let what = || format!("cannot cut the log {}", path.display());
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut log = File::from(rustix::fs::open(path, flags, Mode::empty()).tried(what)?);
    let collapsed = collapse(&log, keep).tried(what)?;
    if collapsed > 0 {
        return Ok(collapsed);
    }
    let before = older.symlink_metadata().map_or(0, |older| older.len());
    let start = copy_end(&mut log, older, keep);
    // Also when there was no room for the copy: the disk must not stay full because of us.
    log.set_len(0).tried(what)?;
    start.map(|start| before + start).tried(|| format!("cannot keep older output in {}", older.display()))
}

/// Takes whole blocks away at the beginning of a file until about `keep` bytes are left: fallocate(2). How many;
/// none where the file system cannot do that, and for limits of less than a block.
fn collapse(log: &File, keep: u64) -> std::io::Result<u64> {
    let metadata = log.metadata()?;
    let block = metadata.blksize().max(1);
    let excess = metadata.len().saturating_sub(keep) / block * block;
    if excess == 0 {
        return Ok(0);
    }
    match rustix::fs::fallocate(log, FallocateFlags::COLLAPSE_RANGE, 0, excess) {
        Ok(()) => Ok(excess),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Copies the end; where it began.
fn copy_end(log: &mut File, older: &Path, keep: u64) -> std::io::Result<u64> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::open(older, flags, Mode::from_raw_mode(0o640))?);
    // A container may write faster than we are let read: what counts is its newest output, but not for ever.
    let mut start = 0;
    for _ in 0..ROUNDS {
        copy.set_len(0)?;
        copy.rewind()?;
        start = log.metadata()?.len().saturating_sub(keep);
        log.seek(SeekFrom::Start(start))?;
        let copied = std::io::copy(&mut (&*log).take(keep.saturating_mul(2)), &mut copy)?;
        if start + copied == log.metadata()?.len() {
            break;
        }
    }
    Ok(start)
}
