//! Whether a file system's journal commits everything in the order in which it was done.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{fstat, fstatfs, major, minor};

/// `EXT4_SUPER_MAGIC`, linux/magic.h; ext2 and ext3 have the same.
const EXT4: rustix::fs::FsWord = 0xEF53;
/// The number of the inode that holds ext4's own journal (`EXT4_JOURNAL_INO`).
const JOURNAL_INODE: u32 = 8;
/// The first kernel whose sync_file_range(2) writes every page when it is asked to wait, also one that is in use.
const SINCE: (u32, u32) = (5, 2);

/// Whether one fsync(2) of the directory `dir` makes all last that was done on its file system before it: names, sizes,
/// attributes, and the content that was written out. So it is with ext4 when its journal lies on its own device: commits are
/// in order, and each has the disk's cache flushed before it counts. False when in doubt.
#[must_use]
pub fn is_in_order(dir: impl AsFd) -> bool {
    let dir = dir.as_fd();
    let (Ok(system), Ok(stat)) = (fstatfs(dir), fstat(dir)) else { return false };
    if system.f_type != EXT4 || !is_since(&rustix::system::uname().release().to_string_lossy()) {
        return false;
    }
    let device = format!("/sys/dev/block/{}:{}", major(stat.st_dev), minor(stat.st_dev));
    let Ok(device) = std::fs::read_link(device) else { return false };
    // A journal on another device has only that one's name, and without a journal there is nothing.
    device.file_name().is_some_and(|name| {
        let journal = format!("{}-{JOURNAL_INODE}", name.to_string_lossy());
        Path::new("/proc/fs/jbd2").join(journal).is_dir()
    })
}

fn is_since(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= SINCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_known_by_their_release() {
        for new in ["5.2", "5.2.0-rc1", "5.10.1-foo", "6.1.0-18-amd64", "10.0"] {
            assert!(is_since(new), "{new}");
        }
        for old in ["5.1.9", "4.19.0", "3.4", "5", "", "x.y", "99999999999.1"] {
            assert!(!is_since(old), "{old}");
        }
    }

    #[test]
    fn what_has_no_journal_is_not_in_order() {
        for dir in ["/proc", "/dev/shm"] {
            assert!(!is_in_order(std::fs::File::open(dir).unwrap()), "{dir}");
        }
    }
}
