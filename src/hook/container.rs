//! The container at prestart: its namespaces, its user mapping, and where its root file system is.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::pidfd::PidFd;

/// The user and group that write the dumps, once as the container and once as the host knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Inside the container.
    pub inside: (u32, u32),
    /// On the host.
    pub outside: (u32, u32),
}

/// A container that is created but whose program does not run yet.
#[derive(Debug)]
pub struct Container {
    /// When its init started, in clock ticks since boot; `None` when `/proc` does not show it.
    pub started: Option<u64>,
    /// Its mount namespace; `None` when it is the host's.
    pub mount_namespace: Option<File>,
    /// Its user namespace; `None` when it is the host's.
    pub user_namespace: Option<File>,
    /// Where its root file system lies, seen from its mount namespace: the host's path before pivot_root(2), `/` after.
    pub rootfs: PathBuf,
    /// Whose the directory becomes.
    pub owner: Owner,
}

impl Container {
    /// Looks at the container whose init is `pid`. `user` are the ids of its process inside.
    ///
    /// # Errors
    /// The kernel's when there is no such process, [`ErrorKind::Config`] when `user` is not mapped.
    pub fn open(pid: i32, rootfs: &Path, user: (u32, u32)) -> Result<Self> {
        let what = || format!("cannot find the container's process {pid}");
        let init = PidFd::open(pid).tried(what)?;
        let mount_namespace = foreign_namespace(pid, "mnt")?;
        let user_namespace = foreign_namespace(pid, "user")?;
        let outside = match user_namespace {
            None => user,
            Some(_) => (mapped(pid, "uid_map", user.0)?, mapped(pid, "gid_map", user.1)?),
        };
        let rootfs = if has_pivoted(pid, rootfs)? { PathBuf::from("/") } else { rootfs.to_owned() };
        // All of that was read by pid: only if the process still lives was it this container's.
        if init.has_ended().tried(what)? {
            return Err(Error::new(ErrorKind::System, format!("the container's process {pid} has ended")));
        }
        let (started, owner) = (init.start_time(), Owner { inside: user, outside });
        Ok(Self { started, mount_namespace, user_namespace, rootfs, owner })
    }
}

/// The namespace of a process, `None` when it is our own.
fn foreign_namespace(pid: i32, name: &str) -> Result<Option<File>> {
    let path = format!("/proc/{pid}/ns/{name}");
    let theirs = match File::open(&path) {
        // A kernel without that kind of namespace.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && Path::new("/proc/self").exists() => {
            let alive = Path::new(&format!("/proc/{pid}")).exists();
            return if alive { Ok(None) } else { Err(error).tried(|| format!("cannot open {path}")) };
        }
        other => other.tried(|| format!("cannot open {path}"))?,
    };
    let own = format!("/proc/self/ns/{name}");
    let ours = std::fs::metadata(&own).tried(|| format!("cannot inspect {own}"))?;
    let metadata = theirs.metadata().tried(|| format!("cannot inspect {path}"))?;
    let same = (metadata.dev(), metadata.ino()) == (ours.dev(), ours.ino());
    Ok(if same { None } else { Some(theirs) })
}

/// The id on the host of `id` inside the user namespace of `pid` (user_namespaces(7)).
fn mapped(pid: i32, file: &str, id: u32) -> Result<u32> {
    let path = format!("/proc/{pid}/{file}");
    let mut text = String::new();
    let opened = File::open(&path).tried(|| format!("cannot open {path}"))?;
    opened.take(64 << 10).read_to_string(&mut text).tried(|| format!("cannot read {path}"))?;
    for line in text.lines() {
        let numbers: Vec<u32> = line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        if let [inside, outside, count] = numbers[..]
            && let Some(offset) = id.checked_sub(inside).filter(|offset| *offset < count)
        {
            return Ok(outside.saturating_add(offset));
        }
    }
    let what = format!("id {id} of the container's process is not mapped in {path}");
    Err(Error::new(ErrorKind::Config, what)
        .advise("add it to the mappings in config.json, or change process.user"))
}

/// Whether the process has entered its root file system already. None of the known runtimes does so before the hooks.
fn has_pivoted(pid: i32, rootfs: &Path) -> Result<bool> {
    let path = format!("/proc/{pid}/root");
    let theirs = std::fs::metadata(&path).tried(|| format!("cannot inspect {path}"))?;
    match std::fs::metadata(rootfs) {
        Ok(root) => Ok((theirs.dev(), theirs.ino()) == (root.dev(), root.ino())),
        Err(error) => Err(error).tried(|| format!("cannot find the root file system {}", rootfs.display())),
    }
}
