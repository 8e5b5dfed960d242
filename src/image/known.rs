//! Lists of directories, on a file system that survives a reboot: those in which images were made, so that `sweep` finds
//! what a power cut left, and those to which dumps were brought, so that `list` finds them.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Result, Tried};
use crate::host;

/// Adds `dir` to the list in `file`, once.
///
/// # Errors
/// The kernel's.
pub fn remember(file: &Path, dir: &Path) -> Result<()> {
    if read(file)?.iter().any(|known| known == dir) {
        return Ok(());
    }
    host::make_dir(file.parent().unwrap_or(Path::new("/")), 0o755)?;
    let what = || format!("cannot write {}", file.display());
    let mut list = OpenOptions::new().append(true).create(true).mode(0o644).open(file).tried(what)?;
    let line = [dir.as_os_str().as_bytes(), b"\n"].concat();
    // Once in the life of a device, so that it may wait for the disk.
    list.write_all(&line).and_then(|()| list.sync_all()).tried(what)
}

/// The directories in the list; none when there is no list.
///
/// # Errors
/// The kernel's.
pub fn read(file: &Path) -> Result<Vec<PathBuf>> {
    let text = match std::fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.tried(|| format!("cannot read {}", file.display()))?,
    };
    let lines = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"/"));
    Ok(lines.map(|line| PathBuf::from(std::ffi::OsString::from_vec(line.to_vec()))).collect())
}
