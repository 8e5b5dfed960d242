//! Files that appear whole or not at all.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use crate::error::{Result, Tried};

/// Replaces the content of `path` at once: a reader sees the old file or the new one, also after a power cut.
///
/// Mode and owner of an existing file are kept; a new file gets `mode`.
///
/// # Errors
/// The kernel's; the old file is untouched then.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let temporary = temporary_beside(path);
    // Left by a process of the same number that was killed.
    let _none_left = std::fs::remove_file(&temporary);
    let result = write_beside(path, &temporary, content, mode);
    if result.is_err() {
        // The error that matters is the first one; the temporary file may not even exist.
        let _gone = std::fs::remove_file(&temporary);
    }
    result
}

/// Writes `path` whole or not at all, for root only. It is not synced: for a file system that a reboot empties.
///
/// # Errors
/// The kernel's; an old file is untouched then.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = temporary_beside(path);
    let what = || format!("cannot write {}", path.display());
    // Left by a process of the same number that was killed.
    let _none_left = std::fs::remove_file(&temporary);
    let result = new_file(&temporary).and_then(|mut file| file.write_all(content).tried(what));
    let result = result.and_then(|()| std::fs::rename(&temporary, path).tried(what));
    if result.is_err() {
        // The error that matters is the first one; the temporary file may not even exist.
        let _gone = std::fs::remove_file(&temporary);
    }
    result
}

/// The name of a file while it is written.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// A new file that only its owner can read.
fn new_file(path: &Path) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::from_raw_mode(0o600));
    Ok(file.tried(|| format!("cannot write {}", path.display()))?.into())
}

fn write_beside(path: &Path, temporary: &Path, content: &[u8], mode: u32) -> Result<()> {
    let what = || format!("cannot write {}", temporary.display());
    let mut file = new_file(temporary)?;
    file.write_all(content).tried(what)?;
    match std::fs::metadata(path) {
        Ok(old) => {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid())).tried(what)?;
            file.set_permissions(Permissions::from_mode(old.mode() & 0o7777)).tried(what)?;
        }
        Err(_) => file.set_permissions(Permissions::from_mode(mode)).tried(what)?,
    }
    file.sync_all().tried(what)?;
    std::fs::rename(temporary, path).tried(|| format!("cannot replace {}", path.display()))?;
    sync_parent(path)
}

/// Makes a change of the directory entry `path` safe from power cuts.
///
/// # Errors
/// The kernel's.
pub fn sync_parent(path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let dir_file = File::open(dir).tried(|| format!("cannot open the directory {}", dir.display()))?;
    rustix::fs::fsync(dir_file).tried(|| format!("cannot sync the directory {}", dir.display()))
}

/// Gives the unnamed file `file` (made by `O_TMPFILE`, open(2)) the name `name` in the directory `dir`. Never
/// overwrites, and a watcher sees `IN_CREATE` for a file that is already whole.
///
/// # Errors
/// `EEXIST` when the name is taken; else the kernel's.
pub fn link_unnamed(
    file: &File,
    dir: impl std::os::fd::AsFd,
    name: &std::ffi::OsStr,
) -> rustix::io::Result<()> {
    match rustix::fs::linkat(file, "", dir.as_fd(), name, AtFlags::EMPTY_PATH) {
        // Without CAP_DAC_READ_SEARCH only the way through /proc is open.
        Err(rustix::io::Errno::NOENT) => {
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
            rustix::fs::linkat(CWD, path, dir.as_fd(), name, AtFlags::SYMLINK_FOLLOW)
        }
        other => other,
    }
}
