//! `OpenCDM`: mounts the socket, the shared directory and the buffers of the decryption service into the container, and gives
//! them to the group of the apps.
//!
//! They lie in `/tmp`, where everybody may make files: only what belongs to root is changed or mounted.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind as IoKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use rustix::fs::{Gid, Mode, OFlags, Uid};
use serde_json::Value;

use crate::control::plugins::config_edit::Bind;
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::error::{Error, ErrorKind, Result, Tried};

/// Where the decryption service has its files.
const DIR: &str = "/tmp";
/// The socket of the service.
const SOCKET: &str = "ocdm";
/// The directory that newer services share.
const SHARED_DIR: &str = "OCDM";
/// How many buffers a service has.
const BUFFERS: usize = 8;
/// The group of the apps, and its number on a host that does not name it.
const GROUP: &str = "dobbyapp";
const GROUP_ID: u32 = 30_000;
/// Permissions of a buffer, of the socket, and of the shared directory.
const FILE_MODE: u32 = 0o660;
const DIR_MODE: u32 = 0o770;

pub(crate) struct OpenCdm;

impl Plugin for OpenCdm {
    fn name(&self) -> &'static str {
        "OpenCDM"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        for place in places(Path::new(DIR)) {
            match place.share() {
                Ok(true) => {
                    let destination = place.path.to_string_lossy();
                    let options = &["nosuid", "nodev", "noexec"];
                    Bind { source: &place.path, destination: &destination, options }.add_to(config)?;
                }
                Ok(false) => {
                    let (id, path) = (call.container.id, place.path.display());
                    log::warn!("container {id}: the decryption service has no {path}, which is not mounted");
                }
                Err(error) => log::warn!("container {}: {}", call.container.id, error.report()),
            }
        }
        Ok(())
    }
}

/// What a place of the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An empty file that is made when it is missing.
    Buffer,
    /// A socket that the service makes.
    Socket,
    /// A directory that the service makes.
    Dir,
}

/// A place of the service on the host; it has the same path in the container.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    kind: Kind,
}

fn places(dir: &Path) -> Vec<Place> {
    let buffers = (0..BUFFERS).flat_map(|n| [format!("ocdmbuffer.{n}"), format!("ocdmbuffer.{n}.admin")]);
    let buffers = buffers.map(|name| (name, Kind::Buffer));
    let others = [(SOCKET.to_owned(), Kind::Socket), (SHARED_DIR.to_owned(), Kind::Dir)];
    buffers.chain(others).map(|(name, kind)| Place { path: dir.join(name), kind }).collect()
}

impl Place {
    /// Gives it to the group of the apps; false when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] when it is something else, or does not belong to root; the kernel's.
    fn share(&self) -> Result<bool> {
        let what = || format!("cannot open {}", self.path.display());
        if self.kind == Kind::Buffer {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path);
            made.map(drop).or_else(|error| ignore(error, IoKind::AlreadyExists)).tried(what)?;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: File = match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(false),
            opened => opened.tried(what)?.into(),
        };
        let metadata = file.metadata().tried(what)?;
        let kind = metadata.file_type();
        let is_right = match self.kind {
            Kind::Buffer => kind.is_file() && metadata.nlink() == 1,
            Kind::Socket => kind.is_socket(),
            Kind::Dir => kind.is_dir(),
        };
        let us = rustix::process::geteuid().as_raw();
        if !is_right || ![0, us].contains(&metadata.uid()) {
            let what = format!("{} is not root's, or another kind of file", self.path.display());
            return Err(Error::new(ErrorKind::Attack, what).advise("remove it"));
        }
        let mode = if self.kind == Kind::Dir { DIR_MODE } else { FILE_MODE };
        self.give(&file, mode)
            .tried(|| format!("cannot give {} to the group of the apps", self.path.display()))?;
        Ok(true)
    }

    /// By the descriptor: what lies at the path by now may be something else.
    fn give(&self, file: &File, mode: u32) -> rustix::io::Result<()> {
        let group = Gid::from_raw(group());
        rustix::fs::chownat(file, "", Some(Uid::ROOT), Some(group), rustix::fs::AtFlags::EMPTY_PATH)?;
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
        rustix::fs::chmod(path, Mode::from_raw_mode(mode))
    }
}

fn ignore(error: std::io::Error, kind: IoKind) -> std::io::Result<()> {
    if error.kind() == kind { Ok(()) } else { Err(error) }
}

fn group() -> u32 {
    Group::from_name(GROUP).ok().flatten().map_or(GROUP_ID, |group| group.gid.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_roots_is_shared_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::fs::write(dir.join("secret"), "").unwrap();
        symlink(dir.join("secret"), dir.join("ocdmbuffer.0")).unwrap();
        std::fs::hard_link(dir.join("secret"), dir.join("ocdmbuffer.1")).unwrap();
        std::fs::create_dir(dir.join("ocdmbuffer.2")).unwrap();
        std::fs::write(dir.join("ocdmbuffer.3"), "of another user").unwrap();
        std::os::unix::fs::chown(dir.join("ocdmbuffer.3"), Some(1000), None).unwrap();
        let _socket = UnixListener::bind(dir.join(SOCKET)).unwrap();
        let secret = std::fs::metadata(dir.join("secret")).unwrap();

        let mut refused = Vec::new();
        let mut missing = Vec::new();
        for place in places(dir) {
            let name = place.path.file_name().unwrap().to_str().unwrap().to_owned();
            match place.share() {
                Ok(true) => {
                    let metadata = std::fs::symlink_metadata(&place.path).unwrap();
                    assert_eq!((metadata.uid(), metadata.gid()), (0, group()), "{name}");
                    assert_eq!(metadata.permissions().mode() & 0o777, FILE_MODE, "{name}");
                }
                Ok(false) => missing.push(name),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Attack, "{}", error.report());
                    refused.push(name);
                }
            }
        }
        assert_eq!(refused, ["ocdmbuffer.0", "ocdmbuffer.1", "ocdmbuffer.2", "ocdmbuffer.3"]);
        assert_eq!(missing, [SHARED_DIR]);
        let after = std::fs::metadata(dir.join("secret")).unwrap();
        assert_eq!((after.gid(), after.mode()), (secret.gid(), secret.mode()));
    }
}
