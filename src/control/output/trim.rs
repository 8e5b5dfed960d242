//! Trims a log to its end: at its beginning where the file system can do that, else by a copy into a second file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Result, Tried};

/// How much is copied at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// How often the end of a log is copied that grows under our hands.
const COPY_ROUNDS: u32 = 10;

/// Trims a file to about its last `keep` bytes, which may end up in `older`. How many bytes are gone then, of both.
///
/// # Errors
/// The kernel's.
pub(crate) fn trim(path: &Path, older: &Path, keep: u64) -> Result<u64> {
    let what = || format!("cannot trim the log {}", path.display());
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
    for _ in 0..COPY_ROUNDS {
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

/// Trims a file of more than `limit` bytes to its last `keep`, in place: there is no second file to look into, and it
/// works on every file system. What is written to it within the microseconds between the last copy and the cut is
/// lost. How many bytes are gone.
///
/// # Errors
/// The kernel's.
pub(crate) fn keep_end(path: &Path, limit: u64, keep: u64) -> Result<u64> {
    let what = || format!("cannot trim the log {}", path.display());
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() > limit => {}
        _ => return Ok(0),
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).tried(what)?);
    let start = file.metadata().tried(what)?.len().saturating_sub(keep);
    let kept = move_end(&file, start, keep);
    file.set_len(*kept.as_ref().unwrap_or(&0)).tried(what)?;
    kept.tried(what)?;
    Ok(start)
}

/// Copies what is at `start`, about `keep` bytes, to the beginning; how many.
fn move_end(file: &File, start: u64, keep: u64) -> std::io::Result<u64> {
    let mut buffer = [0; CHUNK];
    let mut copied = 0;
    // A container that writes faster than we copy must not keep us here.
    let most = keep.saturating_mul(2);
    while copied < most {
        let room = usize::try_from(most - copied).unwrap_or(CHUNK).min(CHUNK);
        let count = file.read_at(buffer.get_mut(..room).unwrap_or_default(), start + copied)?;
        if count == 0 {
            break;
        }
        file.write_all_at(buffer.get(..count).unwrap_or_default(), copied)?;
        copied += count as u64;
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_file_is_kept_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let text: Vec<u8> = (0..200_000_u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
        for (limit, keep) in [(0, 0), (1, 1), (100, 50), (65_536, 65_536), (800_000, 3), (700_000, 600_000)] {
            std::fs::write(&path, &text).unwrap();
            keep_end(&path, limit, keep).unwrap();
            let kept = if limit < 800_000 { usize::try_from(keep).unwrap() } else { text.len() };
            assert!(std::fs::read(&path).unwrap() == text[text.len() - kept..], "{limit} {keep}");
        }
        assert!(keep_end(&dir.path().join("none"), 1, 1).is_ok());
    }
}
