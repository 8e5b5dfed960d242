//! The host's own directories and files: made, checked and replaced with care.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host::write::sync_parent;
use crate::proc::mountinfo;

pub mod write;

/// Makes `dir` and its missing parents with the given permission bits, safe from power cuts.
///
/// # Errors
/// [`ErrorKind::Attack`] when the nearest existing parent is writable by strangers; else the kernel's.
pub fn make_dir(dir: &Path, mode: u32) -> Result<()> {
    match std::fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(not_a_dir(dir)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).tried(|| format!("cannot inspect {}", dir.display())),
    }
    let parent = dir.parent().unwrap_or(Path::new("/"));
    if !parent.exists() {
        make_dir(parent, mode)?;
    }
    check_trusted(parent)?;
    match DirBuilder::new().mode(mode).create(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => make_dir(dir, mode),
        other => {
            other.tried(|| format!("cannot make the directory {}", dir.display()))?;
            sync_parent(dir)
        }
    }
}

/// Opens `dir`, which must be a directory itself and no link to one.
///
/// # Errors
/// [`ErrorKind::Attack`] for a symbolic link; else the kernel's.
pub fn open_dir(dir: &Path) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, dir, flags, Mode::empty()) {
        Ok(fd) => Ok(fd.into()),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => Err(not_a_dir(dir)),
        Err(error) => Err(error).tried(|| format!("cannot open the directory {}", dir.display())),
    }
}

fn not_a_dir(dir: &Path) -> Error {
    match std::fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.is_symlink() => {
            Error::new(ErrorKind::Attack, format!("{} is a symbolic link", dir.display()))
                .advise("name the real directory")
        }
        _ => Error::new(ErrorKind::Config, format!("{} is not a directory", dir.display())),
    }
}

/// Checks that no stranger can exchange what lies in `dir`: it and its parents belong to root or to us, and who else
/// may write there is held back by the sticky bit.
///
/// # Errors
/// [`ErrorKind::Attack`] naming the directory and its weakness.
pub fn check_trusted(dir: &Path) -> Result<()> {
    let real = std::fs::canonicalize(dir).tried(|| format!("cannot resolve {}", dir.display()))?;
    let us = rustix::process::geteuid().as_raw();
    for dir in real.ancestors() {
        let metadata = std::fs::metadata(dir).tried(|| format!("cannot inspect {}", dir.display()))?;
        let weakness = if metadata.uid() != 0 && metadata.uid() != us {
            format!("belongs to user {}", metadata.uid())
        } else if metadata.mode() & 0o1002 == 0o0002 {
            "is writable by everybody and not sticky".to_owned()
        } else {
            continue;
        };
        let what = format!("the directory {} {weakness}", dir.display());
        return Err(Error::new(ErrorKind::Attack, what)
            .advise("use a directory that only root can write to (chown root, chmod o-w)"));
    }
    Ok(())
}

/// Checks that `path`, which lies below `dir` or is `dir`, leads nowhere else: nothing between the two is a symbolic link,
/// and no stranger can put one there. What does not exist yet leads nowhere, and `dir` itself is the administrator's choice.
///
/// # Errors
/// [`ErrorKind::Attack`] naming the link, or the directory and its weakness; else the kernel's.
pub fn check_below(dir: &Path, path: &Path) -> Result<()> {
    if path == dir {
        return Ok(());
    }
    for part in path.ancestors().take_while(|part| *part != dir) {
        match std::fs::symlink_metadata(part) {
            Ok(metadata) if metadata.is_symlink() => return Err(not_a_dir(part)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).tried(|| format!("cannot inspect {}", part.display())),
        }
    }
    check_trusted(nearest(path))
}

/// `dir` or its nearest parent that exists.
#[must_use]
pub fn nearest(dir: &Path) -> &Path {
    dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"))
}

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// [`ErrorKind::Config`] when it is not a regular file, or larger; else the kernel's.
pub fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>> {
    let shown = path.display();
    let wrong = |what: &str| Error::new(ErrorKind::Config, format!("{shown} {what}"));
    // Non-blocking, so that a FIFO in its place cannot hang us.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File =
        rustix::fs::openat(CWD, path, flags, Mode::empty()).tried(|| format!("cannot open {shown}"))?.into();
    let metadata = file.metadata().tried(|| format!("cannot inspect {shown}"))?;
    if !metadata.is_file() {
        return Err(wrong("is not a regular file"));
    }
    if metadata.len() > max {
        return Err(wrong(&format!("is larger than {max} bytes")));
    }
    // One read instead of many small ones: this is on the way of every container's start.
    let mut content =
        Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1));
    file.take(max).read_to_end(&mut content).tried(|| format!("cannot read {shown}"))?;
    Ok(content)
}

/// Reads a small text file.
///
/// # Errors
/// As [`read_bounded`], and [`ErrorKind::Config`] when it is not UTF-8.
pub fn read_text(path: &Path, max: u64) -> Result<String> {
    String::from_utf8(read_bounded(path, max)?).map_err(|error| {
        Error::new(ErrorKind::Config, format!("cannot read {} as text", path.display())).caused_by(error)
    })
}

/// A path as JSON can hold it.
///
/// # Errors
/// [`ErrorKind::Config`] when it is not UTF-8.
pub fn json_path(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::new(ErrorKind::Config, format!("the path {} is not UTF-8, as JSON is", path.display()))
            .advise("move it, or name it by a link whose path is UTF-8")
    })
}

/// Where programs of the host are looked for; never in the caller's PATH or the current directory.
const PROGRAM_DIRS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The absolute path of the program `name`: in the first of the directories `extra` that has it, else in the usual ones.
#[must_use]
pub fn find_program(name: impl AsRef<Path>, extra: &[&str]) -> Option<PathBuf> {
    let dirs = extra.iter().chain(&PROGRAM_DIRS).map(Path::new);
    dirs.map(|dir| dir.join(&name)).find(|path| path.is_file())
}

/// Removes the directory `dir` and everything in it, unless something is mounted there: a mount's content is not ours.
///
/// # Errors
/// [`ErrorKind::Busy`] when something is mounted in it, and nothing is removed then; else the kernel's.
pub fn remove_unmounted(dir: &Path) -> Result<()> {
    let dir = dir.canonicalize().tried(|| format!("cannot resolve {}", dir.display()))?;
    if let Some(mount) = mountinfo::own()?.iter().find(|mount| mount.point.starts_with(&dir)) {
        return Err(Error::new(ErrorKind::Busy, format!("{} is mounted", mount.point.display()))
            .advise("stop its container, or unmount it"));
    }
    std::fs::remove_dir_all(&dir).tried(|| format!("cannot remove {}", dir.display()))
}

/// Locks a file or directory for this process (flock(2)); false when another open file description holds the lock.
///
/// # Errors
/// The kernel's.
pub fn try_lock(file: impl std::os::fd::AsFd) -> rustix::io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::AGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives up a lock, also for copies of the descriptor in other processes.
///
/// # Errors
/// The kernel's.
pub fn unlock(file: impl std::os::fd::AsFd) -> rustix::io::Result<()> {
    rustix::fs::flock(file, FlockOperation::Unlock)
}

/// Bytes that an unprivileged process may still write on the file system of `dir`; `None` for a file system that does
/// not count them (ramfs).
///
/// # Errors
/// The kernel's.
pub fn free_bytes(dir: &Path) -> Result<Option<u64>> {
    let stat =
        rustix::fs::statvfs(dir).tried(|| format!("cannot inspect the file system of {}", dir.display()))?;
    Ok((stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_lies_below_a_directory_must_not_lead_elsewhere() {
        let dir = std::env::temp_dir().join(format!("host-test-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("real/deep")).unwrap();
        symlink("/etc", dir.join("link")).unwrap();
        symlink("/nonexistent", dir.join("real/dangling")).unwrap();
        std::fs::write(dir.join("file"), "").unwrap();
        for good in ["", "x.img", "real", "real/deep/x", "not/there/yet"] {
            check_below(&dir, &dir.join(good)).unwrap_or_else(|error| panic!("{good}: {}", error.report()));
        }
        for bad in ["link", "link/x", "link/x/y", "real/dangling", "real/dangling/x"] {
            assert_eq!(check_below(&dir, &dir.join(bad)).unwrap_err().kind(), ErrorKind::Attack, "{bad}");
        }
        assert!(check_below(&dir, &dir.join("file/x")).is_err());
        let weak = dir.join("real/deep");
        std::fs::set_permissions(&weak, Permissions::from_mode(0o777)).unwrap();
        for below in ["", "x", "not/there/yet"] {
            let error = check_below(&dir, &weak.join(below)).unwrap_err();
            assert!(error.report().contains("real/deep is writable by everybody"), "{}", error.report());
        }
        std::fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
        check_below(&dir, &dir).unwrap();
        std::fs::remove_dir_all(dir).unwrap();
    }
}
