//! Directories of the host are mounted in a running container: cloned here (open_tree(2)), and moved in by a thread in the
//! container's mount namespace, onto a path in which no link leads out of its root file system.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, UnmountFlags, move_mount, open_tree, unmount as detach};
use serde::{Deserialize, Serialize};

use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::model::id::ContainerId;
use crate::control::model::state::State;
use crate::control::process::handle::Process;
use crate::control::state::container_dir::{ContainerDir, MOUNTS};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::image::mount::target::{mount_point, resolve};
use crate::proc::mountinfo;
use crate::process::caught;

/// The most mounts in one container.
const MAX_MOUNTS: usize = 64;
/// How long the container's file systems may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What no mount in a container may do without (`MOUNT_ATTR_NOSUID`, `MOUNT_ATTR_NODEV`).
const ALWAYS: u64 = 0x2 | 0x4;
/// Dobby's names of flags, with the attribute of each (linux/mount.h).
const FLAGS: [(&str, u64); 11] = [
    ("bind", 0),
    ("rbind", 0),
    ("silent", 0),
    ("ro", 0x1),
    ("nosuid", 0x2),
    ("nodev", 0x4),
    ("noexec", 0x8),
    ("noatime", 0x10),
    ("strictatime", 0x20),
    ("nodiratime", 0x80),
    ("relatime", 0),
];

/// A directory of the host, for a running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The directory on the host.
    pub source: PathBuf,
    /// The path in the container; made if it is missing.
    pub target: PathBuf,
    /// Dobby's flags: bind, rbind, ro, nosuid, nodev, noexec, noatime, nodiratime, relatime, strictatime. `nosuid` and
    /// `nodev` are always set.
    pub flags: Vec<String>,
}

/// What a later daemon must know, in the order in which it was mounted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Note {
    mounts: Vec<Made>,
}

/// A mount that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    target: PathBuf,
    /// The kernel's number of the mount.
    id: u64,
}

/// Mounts a directory of the host.
pub(crate) async fn mount(ctx: &Context, id: &ContainerId, request: MountRequest) -> Result<()> {
    let MountRequest { source, target, flags } = request;
    let attributes = attributes(&flags)?;
    check(&source)?;
    check(&target)?;
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    container.must_be(State::Running, "mount in")?;
    let place = Inside::of(&container)?;
    let before = made(&container, &place)?;
    if before.len() >= MAX_MOUNTS {
        return Err(Error::new(ErrorKind::Busy, format!("container {id} has {MAX_MOUNTS} mounts already")));
    }
    let recursive = flags.iter().any(|flag| flag == "rbind");
    let (dir, earlier) = (container.dir.clone(), before.clone());
    let attached = apart(&container, move || {
        let tree = clone(&source, attributes, recursive)?;
        let made = Made { target, id: mount_id(&tree)? };
        // Noted first, also if what follows takes too long: no mount stays that could not be taken out again.
        dir.replace_note(MOUNTS, &Note { mounts: earlier.iter().chain([&made]).cloned().collect() })?;
        Ok(place.attach(&tree, &made.target))
    });
    // Not by that thread, which may be in the container's mount namespace by now.
    attached.await?.inspect_err(|_| restore(&container.dir, before))
}

/// Puts back the note of the mounts before one that failed.
fn restore(dir: &ContainerDir, mounts: Vec<Made>) {
    if mounts.is_empty() {
        dir.discard(MOUNTS);
    } else if let Err(error) = dir.replace_note(MOUNTS, &Note { mounts }) {
        log::warn!("{}", error.report());
    }
}

/// Takes out the latest mount at a path.
pub(crate) async fn unmount(ctx: &Context, id: &ContainerId, target: &Path) -> Result<()> {
    check(target)?;
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    container.must_be(State::Running, "unmount in")?;
    let place = Inside::of(&container)?;
    let mut made = made(&container, &place)?;
    let Some(at) = made.iter().rposition(|made| made.target == target) else {
        let what = format!("nothing was mounted on {} in container {id}", target.display());
        return Err(Error::new(ErrorKind::NotFound, what));
    };
    let mount = made.remove(at);
    apart(&container, move || place.detach(&mount)).await?;
    container.dir.replace_note(MOUNTS, &Note { mounts: made })
}

/// The mounts that were made and are there: a daemon that is killed may have noted one that it did not come to make.
fn made(container: &Container, place: &Inside) -> Result<Vec<Made>> {
    let mut made = container.dir.note::<Note>(MOUNTS)?.unwrap_or_default().mounts;
    made.retain(|made| place.mounts.contains(&made.id));
    Ok(made)
}

fn attributes(flags: &[String]) -> Result<u64> {
    let mut all = ALWAYS;
    for flag in flags {
        let Some((_, bits)) = FLAGS.iter().find(|(name, _)| name == flag) else {
            let names = FLAGS.map(|(name, _)| name).join(", ");
            let what = format!("cannot mount with the flag {flag:?}");
            return Err(Error::new(ErrorKind::Input, what).advise(format!("there are {names}")));
        };
        all |= bits;
    }
    Ok(all)
}

/// Refuses a path that is not absolute, or goes up.
fn check(path: &Path) -> Result<()> {
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if path.is_absolute() && path.components().all(plain) {
        return Ok(());
    }
    let what = format!("cannot use the path {:?}: it must be absolute, without ..", path.display());
    Err(Error::new(ErrorKind::Input, what))
}

/// A copy of what is mounted at `source`, in no namespace.
fn clone(source: &Path, attributes: u64, recursive: bool) -> Result<OwnedFd> {
    let what = || format!("cannot mount {}", source.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(source, flags, Mode::empty()).tried(what)?;
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    let tree = open_tree(&dir, "", flags).tried(what)?;
    crate::sys::mount_attributes(tree.as_fd(), attributes, recursive).tried(what)?;
    Ok(tree)
}

/// The kernel's number of the mount on which a file lies. Not from /proc, which in a container is the container's.
fn mount_id(file: impl AsFd) -> Result<u64> {
    let what = || "cannot identify a mount";
    mountinfo::id_of(file)
        .tried(what)?
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, what()).advise("Linux 5.8 or later is needed"))
}

/// The mount namespace of a container, its mounts, and which of them pass on what is mounted on them.
struct Inside {
    namespace: File,
    mounts: Vec<u64>,
    shared: Vec<u64>,
}

impl Inside {
    fn of(container: &Container) -> Result<Self> {
        let ended = || Error::new(ErrorKind::Busy, format!("container {} has ended", container.id));
        let init: Arc<Process> = container.init().ok_or_else(ended)?;
        let pid = init.identity().pid;
        let what = || format!("cannot look at the mounts of container {}", container.id);
        let path = format!("/proc/{pid}/ns/mnt");
        let namespace = File::open(&path).tried(what)?;
        let text = crate::proc::read(format!("/proc/{pid}/mountinfo")).tried(what)?;
        let is_hosts = std::fs::read_link(&path).ok() == std::fs::read_link("/proc/self/ns/mnt").ok();
        // All of that was read by pid.
        if !init.runs() {
            return Err(ended());
        }
        if is_hosts {
            let what = format!("container {} has no mount namespace of its own", container.id);
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        let mounts = mountinfo::parse(&text);
        let shared = mounts.iter().filter(|mount| mount.is_shared).map(|mount| mount.id).collect();
        Ok(Self { namespace, mounts: mounts.iter().map(|mount| mount.id).collect(), shared })
    }

    /// Enters it with this thread, and gives the root directory there.
    fn enter(&self) -> Result<OwnedFd> {
        unshare(CloneFlags::CLONE_FS)
            .tried(|| "cannot give the mounting thread a root and current directory of its own")?;
        setns(&self.namespace, CloneFlags::CLONE_NEWNS)
            .tried(|| "cannot enter the container's mount namespace")?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, "/", flags, Mode::empty()).tried(|| "cannot open the container's root")
    }

    fn attach(&self, tree: &OwnedFd, path: &Path) -> Result<()> {
        let target = mount_point(&self.enter()?, path).map_err(|error| match error.kind() {
            // Not the advice for whom the root file system belongs to.
            ErrorKind::Attack => error.advise("choose another path in the container"),
            _ => error,
        })?;
        if self.shared.contains(&mount_id(&target)?) {
            let what = format!("{} in the container lies on a shared mount", path.display());
            return Err(Error::new(ErrorKind::Config, what).advise(
                "what is mounted there would appear outside of it; set linux.rootfsPropagation to slave",
            ));
        }
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(tree, "", &target, "", flags)
            .tried(|| format!("cannot mount on {} in the container", path.display()))
    }

    fn detach(&self, mount: &Made) -> Result<()> {
        let what = || format!("cannot unmount {} in the container", mount.target.display());
        let root = self.enter()?;
        let found = caught(|| resolve(&root, &mount.target))
            .ok_or_else(|| Error::new(ErrorKind::System, what()))?
            .map_err(|error| Error::new(ErrorKind::System, what()).caused_by(error))?;
        if mount_id(&found)? != mount.id {
            return Err(Error::new(ErrorKind::Busy, what()).advise("it is hidden or gone"));
        }
        // By the working directory, which is this thread's own: a path could lead elsewhere by now.
        rustix::process::fchdir(&found).tried(what)?;
        detach(".", UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).tried(what)
    }
}

/// Does `work` in a thread of its own. A container whose file systems hang keeps one thread at most.
async fn apart<T: Send + 'static>(
    container: &Container,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let hangs =
        || Error::new(ErrorKind::Timeout, format!("the file systems of container {} hang", container.id));
    if container.being_mounted.swap(true, Ordering::AcqRel) {
        return Err(hangs());
    }
    let being_mounted = Arc::clone(&container.being_mounted);
    let (sender, done) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        let outcome = work();
        being_mounted.store(false, Ordering::Release);
        // What took too long is not waited for.
        let _late = sender.send(outcome);
    });
    if let Err(error) = thread {
        container.being_mounted.store(false, Ordering::Release);
        return Err(error).tried(|| "cannot start a thread");
    }
    match tokio::time::timeout(TIMEOUT, done).await {
        Ok(Ok(outcome)) => outcome,
        _ => Err(hangs()),
    }
}
