//! Whose things are: the container's user as the host knows it, and `mountOwner`.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::unistd::{Group, User};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use serde::Deserialize;
use serde_json::Value;

use crate::control::plugins::data::or_default;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The most entries that get another owner, and how deep they may lie.
const MAX_ENTRIES: u32 = 100_000;
const MAX_DEPTH: u32 = 64;

/// User and group of the container's process on the host.
pub(crate) fn of_process(config: &Value) -> (u32, u32) {
    let id = |key: &str, mappings: &str| {
        let inside = config["process"]["user"][key].as_u64().unwrap_or(0);
        let outside = on_host(&config["linux"][mappings], inside).unwrap_or(inside);
        u32::try_from(outside).unwrap_or(u32::MAX - 1)
    };
    (id("uid", "uidMappings"), id("gid", "gidMappings"))
}

fn on_host(mappings: &Value, inside: u64) -> Option<u64> {
    mappings.as_array()?.iter().rev().find_map(|mapping| {
        let number = |key: &str| mapping[key].as_u64();
        let offset = inside.checked_sub(number("containerID")?)?;
        if offset < number("size")? { number("hostID")?.checked_add(offset) } else { None }
    })
}

/// An entry of `mountOwner`: a file or directory, and its owner as a name of the host or in digits.
#[derive(Debug, Deserialize)]
pub(crate) struct MountOwner {
    source: Option<PathBuf>,
    user: Option<String>,
    group: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    recursive: bool,
}

/// A file or directory that gets another owner.
#[derive(Debug)]
pub(crate) struct OwnerChange {
    source: PathBuf,
    owner: (u32, u32),
    recursive: bool,
}

impl OwnerChange {
    /// Those of the plugin's data; the owner that is not named is the `default`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a user or a group that this host does not have.
    pub(crate) fn all(requests: &[MountOwner], default: (u32, u32)) -> Result<Vec<Self>> {
        let change = |request: &MountOwner| {
            let uid = id(request.user.as_deref(), default.0, "user", |name| {
                Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
            })?;
            let gid = id(request.group.as_deref(), default.1, "group", |name| {
                Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
            })?;
            let source = request.source.clone().unwrap_or_default();
            Ok(Self { source, owner: (uid, gid), recursive: request.recursive })
        };
        requests.iter().map(change).collect()
    }

    /// Changes the owner of the source, if there is one; with `recursive`, of everything in it. No link in it is
    /// followed, no mount entered, and nothing that has another name elsewhere is given away.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for more than 100000 entries or 64 levels; the kernel's.
    pub(crate) fn make(&self) -> Result<()> {
        if !self.source.exists() {
            log::info!("mountOwner: {} does not exist, skipped", self.source.display());
            return Ok(());
        }
        let what = || format!("cannot open {}", self.source.display());
        let top =
            rustix::fs::open(&self.source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).tried(what)?;
        let stat = rustix::fs::fstat(&top).tried(what)?;
        Change { request: self, top: stat, left: MAX_ENTRIES }.one(&top, &stat, 0)
    }
}

/// The number of a user or group: a name of the host, or digits.
fn id(
    named: Option<&str>,
    default: u32,
    what: &str,
    look_up: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> Result<u32> {
    let Some(name) = named.filter(|name| !name.is_empty()) else { return Ok(default) };
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    look_up(name).ok().flatten().ok_or_else(|| {
        let shown = crate::log::shown(&name.into());
        Error::new(ErrorKind::Config, format!("this host has no {what} {shown} (storage, mountOwner)"))
    })
}

/// A change at work.
struct Change<'a> {
    request: &'a OwnerChange,
    /// The source itself.
    top: Stat,
    left: u32,
}

impl Change<'_> {
    fn one(&mut self, file: &OwnedFd, stat: &Stat, depth: u32) -> Result<()> {
        let source = self.request.source.display();
        if self.left == 0 || depth > MAX_DEPTH {
            let what = format!("{source} has more than {MAX_ENTRIES} entries or {MAX_DEPTH} levels");
            return Err(Error::new(ErrorKind::Config, what));
        }
        self.left -= 1;
        let (uid, gid) = self.request.owner;
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        rustix::fs::chownat(file, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
            .tried(|| format!("cannot change the owner of something in {source}"))?;
        let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if is_dir && self.request.recursive { self.all_in(file, depth) } else { Ok(()) }
    }

    fn all_in(&mut self, dir: &OwnedFd, depth: u32) -> Result<()> {
        let source = self.request.source.display();
        let what = || format!("cannot read a directory in {source}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir: File = rustix::fs::openat(dir, ".", flags, Mode::empty()).tried(what)?.into();
        for entry in Dir::read_from(&dir).tried(what)? {
            let entry = entry.tried(what)?;
            if [c".", c".."].contains(&entry.file_name()) {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // It may be gone by now.
            let Ok(file) = rustix::fs::openat(dir.as_fd(), entry.file_name(), flags, Mode::empty()) else {
                continue;
            };
            let stat = rustix::fs::fstat(&file).tried(what)?;
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if stat.st_dev != self.top.st_dev || (stat.st_nlink > 1 && !is_dir) {
                log::warn!("something in {source} is mounted or has other names, and keeps its owner");
                continue;
            }
            self.one(&file, &stat, depth + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_mapping_that_covers_an_id_counts() {
        let mapping = |inside: u32, outside: u32, size: u32| json!({"containerID": inside, "hostID": outside, "size": size});
        let config = json!({"process": {"user": {"uid": 0, "gid": 7}}, "linux": {
            "uidMappings": [mapping(0, 1000, 1), mapping(0, 2000, 1)],
            "gidMappings": [mapping(0, 1000, 5)],
        }});
        assert_eq!(of_process(&config), (2000, 7));
        assert_eq!(of_process(&json!({})), (0, 0));
    }
}
