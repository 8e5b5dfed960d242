//! What the kernel says in `/proc`, read in one place: the hook and the daemon must not differ in what they see.
//!
//! Everything is bytes. A path or a process name need not be UTF-8: a USB stick with a Latin-1 label is enough, or a
//! name that the kernel cut after 15 bytes. proc(5) documents the files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub mod boot;
pub mod cgroup;
pub mod journal;
pub mod mount_point;
pub mod mountinfo;
pub mod pidfd;
pub mod security_modules;
pub mod selinux;
pub mod stat;
pub mod status;
pub mod user_namespace;

/// How much is read at once, in bytes. The kernel gives no more than a page of most files.
const PAGE: usize = 4096;

/// All of a file below `/proc`. The kernel gives no size of it beforehand, and [`std::fs::read`] then begins with
/// 32 bytes at a time.
///
/// # Errors
/// The kernel's.
pub fn read(path: impl AsRef<Path>) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(PAGE);
    File::open(path)?.read_to_end(&mut content)?;
    Ok(content)
}
