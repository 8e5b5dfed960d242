//! Writing a file's data out without a commit of its file system's journal.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Writes out what the kernel still keeps of a file's content, and waits for it (sync_file_range(2), all of the file). The
/// disk may have it in its cache only, and the inode is not written: the journal's next commit does that.
///
/// # Errors
/// The kernel's, also those of writes in the background before.
pub fn write_out(file: impl AsFd) -> io::Result<()> {
    use nix::libc::{SYNC_FILE_RANGE_WAIT_AFTER, SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE};
    let flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: the call takes numbers only, and the descriptor is open.
    let result = unsafe { nix::libc::sync_file_range(file.as_fd().as_raw_fd(), 0, 0, flags) };
    nix::errno::Errno::result(result).map(drop).map_err(Into::into)
}
