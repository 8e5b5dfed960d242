//! The crashed process: one directory `/proc/PID` that is opened once. When the process is gone, what is opened below it
//! fails, also if another process has got the number.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::proc::cgroup::{self, Cgroup};
use crate::proc::stat;
use crate::proc::status::Status;

/// The most bytes of a small file in `/proc` that are read.
pub const MAX_TEXT: u64 = 64 << 10;
/// The most names of threads that are looked for.
const MAX_NAMES: usize = 1024;

/// A process that is being dumped.
#[derive(Debug)]
pub struct Crashed {
    dir: OwnedFd,
    status: Status,
}

impl Crashed {
    /// Opens the process `pid`, which is held by the descriptor `pidfd`, if the kernel gave one.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] when the number is that of another process meanwhile; the kernel's.
    pub fn open(pid: i32, pidfd: Option<i32>) -> Result<Self> {
        let path = format!("/proc/{pid}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&path, flags, Mode::empty()).tried(|| format!("cannot open {path}"))?;
        let text = read_at(&dir, "status", MAX_TEXT).tried(|| format!("cannot read {path}/status"))?;
        let status = Status::parse(&text);
        let is_it = match pidfd {
            // It was this process before the directory was opened, so that the directory is its own.
            Some(fd) => held_by(fd)? == Some(pid),
            // Linux before 4.15 does not say.
            None => status.is_dumping != Some(false),
        };
        if !is_it {
            let what = format!("process {pid} is not the one that crashed");
            return Err(Error::new(ErrorKind::Attack, what));
        }
        Ok(Self { dir, status })
    }

    /// Reads a file of the process, at most `max` bytes of it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        read_at(&self.dir, name, max)
    }

    /// The memory of the process.
    ///
    /// # Errors
    /// The kernel's.
    pub fn memory(&self) -> Result<File> {
        open_at(&self.dir, "mem").tried(|| "cannot open the memory of the process")
    }

    /// Its control groups.
    ///
    /// # Errors
    /// The kernel's.
    pub fn cgroups(&self) -> Result<Vec<Cgroup>> {
        let text = self.read("cgroup", MAX_TEXT).tried(|| "cannot read the cgroups of the process")?;
        Ok(cgroup::parse(&text))
    }

    /// The inode number of its mount namespace.
    ///
    /// # Errors
    /// The kernel's.
    pub fn mount_namespace(&self) -> Result<u64> {
        let what = || "cannot inspect the mount namespace of the process";
        Ok(rustix::fs::statat(&self.dir, "ns/mnt", AtFlags::empty()).tried(what)?.st_ino)
    }

    /// Whether its user may see its memory: the kernel gives everything in `/proc` of other processes to root (proc(5)).
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_dumpable(&self) -> Result<bool> {
        let owner = rustix::fs::fstat(&self.dir).tried(|| "cannot inspect the process")?.st_uid;
        Ok(self.status.user.is_none_or(|user| user == owner))
    }

    /// How long ago it started; `None` when the kernel does not say.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.read("stat", MAX_TEXT).ok().and_then(|text| stat::parse(&text)).map(|stat| stat.age())
    }

    /// Whether its number inside the container is `id`. Linux before 4.1 does not say.
    #[must_use]
    pub fn is_of(&self, id: u32) -> bool {
        self.status.inner.is_none_or(|inner| inner == id)
    }

    /// The names of its threads, by their numbers inside the container.
    #[must_use]
    pub fn thread_names(&self) -> Vec<(u32, Vec<u8>)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(tasks) = rustix::fs::openat(&self.dir, "task", flags, Mode::empty()) else {
            return Vec::new();
        };
        let Ok(entries) = rustix::fs::Dir::read_from(&tasks) else { return Vec::new() };
        let name = |entry: rustix::fs::DirEntry| {
            let number = entry.file_name().to_str().ok().filter(|name| !name.starts_with('.'))?;
            let text = read_at(&tasks, &format!("{number}/status"), MAX_TEXT).ok()?;
            let status = Status::parse(&text);
            Some((status.inner_thread?, status.name))
        };
        entries.flatten().filter_map(name).take(MAX_NAMES).collect()
    }
}

fn open_at(dir: &OwnedFd, name: &str) -> io::Result<File> {
    Ok(rustix::fs::openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
}

fn read_at(dir: &OwnedFd, name: &str, max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open_at(dir, name)?.take(max).read_to_end(&mut text)?;
    Ok(text)
}

/// The process that a pidfd of ours holds; `None` when it is gone, or the descriptor is something else.
fn held_by(fd: i32) -> Result<Option<i32>> {
    let path = format!("/proc/self/fdinfo/{fd}");
    let text = std::fs::read_to_string(&path).tried(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    Ok(line.and_then(|pid| pid.trim().parse().ok()))
}
