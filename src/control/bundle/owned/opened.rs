//! Reads a bundle that belongs to an app's user.
//!
//! The owner can change everything in the bundle at any time. So the configuration is read once, from a descriptor, and
//! may ask for nothing that only root can give (`rules`); and the runtime gets the root file system as a mount in the
//! container's own directory, which stays the one that was looked at, whatever takes its place in the bundle.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use nix::mount::{MsFlags, mount};
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::mount::{UnmountFlags, unmount};
use serde_json::Value;

use crate::control::bundle::owned::refused::Owner;
use crate::control::bundle::owned::rules;
use crate::control::settings::BundleOwners;
use crate::control::state::container_dir::{ContainerDir, ROOT};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::image::mount::target::resolve;
use crate::oci::bundle::{Bundle, MAX_CONFIG};
use crate::process::caught;

/// Write permission for others than the owner.
const OTHERS_WRITE: u32 = 0o022;

/// A bundle of an app's user, whose configuration was read and keeps to the rules.
#[derive(Debug)]
pub(crate) struct OwnedBundle {
    bundle: Bundle,
    /// The bundle's directory, whatever has its name by now.
    dir: OwnedFd,
}

/// Whether a bundle, or its configuration, belongs to a user for whom there are rules.
pub(crate) fn is_owned(dir: &Path, owners: &BundleOwners) -> bool {
    let us = rustix::process::geteuid().as_raw();
    let uids =
        [dir.to_owned(), dir.join("config.json")].map(|path| path.symlink_metadata().map(|file| file.uid()));
    owners.are_any() && uids.into_iter().flatten().any(|uid| uid != 0 && uid != us)
}

impl OwnedBundle {
    /// Reads the bundle in the directory `dir`, a real path.
    ///
    /// # Errors
    /// [`ErrorKind::Attack`] when it belongs to another user than the administrator allows, or asks for what only root
    /// may; [`ErrorKind::Config`] when it is not a bundle.
    pub(crate) fn open(dir: &Path, owners: &BundleOwners) -> Result<Self> {
        host::check_trusted(dir.parent().unwrap_or(Path::new("/")))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let what = || format!("cannot open the bundle {}", dir.display());
        let handle: File = rustix::fs::openat(CWD, dir, flags, Mode::empty()).tried(what)?.into();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = dir.join("config.json");
        let what = || format!("cannot open {}", path.display());
        let file: File = rustix::fs::openat(&handle, "config.json", flags, Mode::empty()).tried(what)?.into();
        let owner = owner(&[(dir, &handle), (&path, &file)], owners)?;
        let mut text = Vec::new();
        (&file)
            .take(MAX_CONFIG + 1)
            .read_to_end(&mut text)
            .tried(|| format!("cannot read {}", path.display()))?;
        let bundle = Bundle::parse(dir, &text)?;
        rules::check(bundle.config(), owner, owners).map_err(|refused| {
            let what =
                format!("the bundle {} belongs to user {}: {}", dir.display(), owner.uid, refused.what);
            Error::new(ErrorKind::Attack, what).advise(refused.advice)
        })?;
        Ok(Self { bundle, dir: handle.into() })
    }

    /// The bundle, with its root file system mounted in the container's own directory `place`.
    ///
    /// # Errors
    /// The root file system lies outside of the bundle; the kernel's.
    pub(crate) fn pin(mut self, place: &ContainerDir) -> Result<Bundle> {
        let root =
            self.bundle.config().pointer("/root/path").and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = || {
            format!("cannot use the root file system {root:?} of the bundle {}", self.bundle.dir().display())
        };
        let is_below = Path::new(&root).components().all(|part| matches!(part, Component::Normal(_)));
        if root.is_empty() || !is_below {
            return Err(Error::new(ErrorKind::Attack, what()).advise("name a directory in the bundle"));
        }
        // No link leads out of the bundle, and what is found stays what it is.
        let found = caught(|| resolve(&self.dir, Path::new(&root)))
            .ok_or_else(|| Error::new(ErrorKind::System, what()))?
            .map_err(|error| Error::new(ErrorKind::Config, what()).caused_by(error))?;
        let target = place.file(ROOT);
        std::fs::create_dir(&target).tried(|| format!("cannot make {}", target.display()))?;
        place.allow_traversal()?;
        hold(&found, &target).tried(what)?;
        let target = host::json_path(&target)?;
        if let Some(path) = self.bundle.config_mut().pointer_mut("/root/path") {
            *path = target.into();
        }
        Ok(self.bundle)
    }
}

/// Mounts the directory `root`, with what is mounted in it, on `target`. Devices in it do not work.
fn hold(root: &OwnedFd, target: &Path) -> std::io::Result<()> {
    // The descriptor, not the path: what lies there by now may be something else.
    let source = format!("/proc/self/fd/{}", root.as_raw_fd());
    let call = |source: Option<&str>, flags| mount(source, target, None::<&str>, flags, None::<&str>);
    call(Some(&source), MsFlags::MS_BIND | MsFlags::MS_REC)?;
    // As peers of the host's mounts in it, ours would take those away when they go.
    call(None, MsFlags::MS_PRIVATE | MsFlags::MS_REC)?;
    let flags = rustix::fs::statvfs(target)?.f_flag;
    let kept = [
        (StatVfsMountFlags::RDONLY, MsFlags::MS_RDONLY),
        (StatVfsMountFlags::NOSUID, MsFlags::MS_NOSUID),
        (StatVfsMountFlags::NOEXEC, MsFlags::MS_NOEXEC),
    ];
    let kept = kept.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, kept)| *kept);
    let all = kept.fold(MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NODEV, MsFlags::union);
    Ok(call(None, all)?)
}

/// Takes away the mount of [`OwnedBundle::pin`], if there is one.
pub(crate) fn unpin(place: &ContainerDir) {
    let target = place.file(ROOT);
    if !target.exists() {
        return;
    }
    match unmount(&target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // The bundle that a spec became has a directory of this name without a mount; or the machine was restarted.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => log::warn!("cannot unmount {}: {error}", target.display()),
    }
}

/// The one user besides root to whom all of these belong.
fn owner(files: &[(&Path, &File)], owners: &BundleOwners) -> Result<Owner> {
    let us = rustix::process::geteuid().as_raw();
    let mut owner: Option<Owner> = None;
    for (path, file) in files {
        let metadata = file.metadata().tried(|| format!("cannot inspect {}", path.display()))?;
        let refused = |why: String, advice: &'static str| {
            Err(Error::new(ErrorKind::Attack, format!("{} {why}", path.display())).advise(advice))
        };
        if metadata.mode() & OTHERS_WRITE != 0 {
            return refused("is writable by others than its owner".to_owned(), "chmod go-w");
        }
        let found =
            Owner { uid: metadata.uid(), gid: Some(metadata.gid()).filter(|_| is_roots_choice(path)) };
        if found.uid == 0 || found.uid == us {
            continue;
        }
        if !owners.allow(found.uid) {
            return refused(format!("belongs to user {}", found.uid), "see the setting bundle_owners");
        }
        if owner.is_some_and(|owner| owner.uid != found.uid) {
            return refused(format!("belongs to user {}, its bundle does not", found.uid), "chown it");
        }
        owner = owner.or(Some(found));
    }
    owner.ok_or_else(|| {
        let what = "the owner of the bundle changed while it was read";
        Error::new(ErrorKind::Attack, what)
    })
}

/// Whether only root could have put a file where it is. Elsewhere, its user may have made it, and a set-group-id directory
/// gives what is made in it the directory's group (inode(7)), which need not be the user's.
fn is_roots_choice(path: &Path) -> bool {
    let above = path.parent().unwrap_or(path).metadata();
    above.is_ok_and(|dir| dir.uid() == 0 && dir.mode() & OTHERS_WRITE == 0)
}

/// Whether a container that starts is one from a bundle of an app's user: [`OwnedBundle::pin`] has made its place in the
/// container's own directory.
pub(crate) fn is_pinned(place: &ContainerDir) -> bool {
    place.file(ROOT).exists()
}
