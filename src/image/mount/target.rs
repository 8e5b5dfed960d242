//! A directory in a container on which something is mounted: its path is resolved with every symbolic link kept below the
//! root file system, and used as a descriptor from then on.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pathrs::RootRef;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::process::caught;

/// File systems on which nothing may be mounted: a path that leads there is meant to mislead us (linux/magic.h).
const SYSTEM_FILE_SYSTEMS: [(rustix::fs::FsWord, &str); 4] =
    [(0x9fa0, "proc"), (0x6265_6572, "sysfs"), (0x0027_e0eb, "cgroup"), (0x6367_7270, "cgroup2")];

/// The directory at `path` below `root`, made if it is missing.
///
/// # Errors
/// [`ErrorKind::Attack`] when it leads where nothing may be mounted; else the kernel's.
pub fn mount_point(root: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    // Without openat2(2) the library looks at /proc, and panics when that fails at the wrong moment.
    caught(|| find_or_make(root, path)).unwrap_or_else(|| {
        let what = format!("cannot find {} in the container", path.display());
        Err(Error::new(ErrorKind::System, what).advise(
            "the library pathrs panicked: is /proc mounted, and is there room for descriptors (ulimit -n)?",
        ))
    })
}

fn find_or_make(root: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let handle = match resolve(root, path) {
        Ok(found) => found,
        Err(error) => {
            check_nearest(root, path)?;
            if !is_missing(&error) {
                return Err(cannot_find(path, error));
            }
            make(root, path)?
        }
    };
    let stat =
        rustix::fs::fstat(&handle).tried(|| format!("cannot inspect {} in the container", path.display()))?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::Directory {
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        return Err(trap(path, &format!("is not a directory but {}", kind_name(kind))));
    }
    let top = rustix::fs::fstat(root).tried(|| "cannot inspect the root file system")?;
    if (stat.st_dev, stat.st_ino) == (top.st_dev, top.st_ino) {
        return Err(trap(path, "leads to the root directory"));
    }
    check_file_system(&handle, path)?;
    Ok(handle)
}

/// Refuses what lies on a file system on which nothing may be mounted.
fn check_file_system(found: &OwnedFd, path: &Path) -> Result<()> {
    let kind = rustix::fs::fstatfs(found).tried(|| format!("cannot inspect {}", path.display()))?.f_type;
    match SYSTEM_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Err(trap(path, &format!("leads into {name}"))),
        None => Ok(()),
    }
}

/// Refuses a path that cannot be found where the nearest directory above it lies on such a file system: none can be made
/// there, and the reason, which depends on the kernel's age, would say little.
fn check_nearest(root: &OwnedFd, path: &Path) -> Result<()> {
    let nearest = path.ancestors().skip(1).find_map(|above| resolve(root, above).ok());
    nearest.map_or(Ok(()), |nearest| check_file_system(&nearest, path))
}

/// Finds a path below `root`, from which no link leads out.
///
/// # Errors
/// The library's.
pub fn resolve(root: &OwnedFd, path: &Path) -> std::result::Result<OwnedFd, pathrs::error::Error> {
    let root = RootRef::from_fd(root.as_fd());
    Ok(root.resolve(path)?.into())
}

fn make(root: &OwnedFd, path: &Path) -> Result<OwnedFd> {
    let root = RootRef::from_fd(root.as_fd());
    let made = root.mkdir_all(path, &std::fs::Permissions::from_mode(0o755));
    made.map(Into::into).map_err(|error| {
        let read_only = errno(&error) == Some(nix::libc::EROFS);
        let kind = if read_only { ErrorKind::NoSpace } else { ErrorKind::System };
        let error =
            Error::new(kind, format!("cannot make {} in the container", path.display())).caused_by(error);
        if read_only {
            error.advise(
                "make the directory in the root file system, or put a tmpfs on its parent in mounts[]",
            )
        } else {
            error.advise("a link that leads nowhere, or a file, may be in the way")
        }
    })
}

fn is_missing(error: &pathrs::error::Error) -> bool {
    errno(error) == Some(nix::libc::ENOENT)
}

fn errno(error: &pathrs::error::Error) -> Option<i32> {
    match error.kind() {
        pathrs::error::ErrorKind::OsError(errno) => errno,
        _ => None,
    }
}

fn cannot_find(path: &Path, error: pathrs::error::Error) -> Error {
    let attack = matches!(error.kind(), pathrs::error::ErrorKind::SafetyViolation);
    let kind = if attack { ErrorKind::Attack } else { ErrorKind::System };
    Error::new(kind, format!("cannot find {} in the container", path.display())).caused_by(error)
}

fn trap(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Attack, format!("{} in the container {what}", path.display()))
        .advise("fix the root file system or choose another containerSource")
}

fn kind_name(kind: rustix::fs::FileType) -> &'static str {
    match kind {
        rustix::fs::FileType::RegularFile => "a file",
        rustix::fs::FileType::Fifo => "a FIFO",
        rustix::fs::FileType::Socket => "a socket",
        rustix::fs::FileType::CharacterDevice | rustix::fs::FileType::BlockDevice => "a device",
        _ => "something else",
    }
}
