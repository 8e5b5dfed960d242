//! Which mount a path leads to, so that it is noticed when that is not there any more.
//!
//! It is worked out from mountinfo, without a look at what is mounted: a network file system that does not answer must
//! hold nothing up.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::proc::mountinfo::{Mount, own};

/// How many symbolic links of a path are followed, as many as the kernel follows.
const MAX_LINKS: usize = 40;
/// File systems that are not asked for symbolic links: they may wait for another machine or program.
const SLOW: [&[u8]; 9] = [b"nfs", b"cifs", b"smb", b"fuse", b"9p", b"ceph", b"autofs", b"afs", b"virtiofs"];

/// The mount point of the file system to which `path` leads now, whether or not the path exists. A mount that shows the
/// very directory that lies below it (a bind mount of itself, as services are given) hides nothing, and does not count.
/// `None` when it cannot be known: no `/proc`, or a root that is not a mount point.
#[must_use]
pub fn of(path: &Path) -> Option<PathBuf> {
    find(&own().ok()?, path)
}

/// Whether `path` leads to what lies below `noted`, because that is not mounted any more. False when in doubt, and when the
/// path leads to another mount.
#[must_use]
pub fn is_missing(noted: &Path, path: &Path) -> bool {
    of(path).is_some_and(|now| noted != now && noted.starts_with(&now))
}

fn find(mounts: &[Mount], path: &Path) -> Option<PathBuf> {
    let mut mount = holder(mounts, &resolve(mounts, path)?)?;
    for _ in mounts {
        let parent = mounts.iter().find(|parent| parent.id == mount.parent && parent.id != mount.id);
        let Some(parent) = parent.filter(|parent| shows_the_same(mount, parent)) else { break };
        mount = parent;
    }
    Some(mount.point.clone())
}

/// Whether a mount shows the directory on which it lies.
fn shows_the_same(mount: &Mount, parent: &Mount) -> bool {
    let below = mount.point.strip_prefix(&parent.point);
    mount.device == parent.device && below.is_ok_and(|below| parent.root.join(below) == mount.root)
}

/// The mount on which a path without symbolic links lies: the kernel goes from mount to mount, beginning at the root.
fn holder<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let has_parent =
        |mount: &Mount| mounts.iter().any(|other| other.id == mount.parent && other.id != mount.id);
    let mut mount = mounts.iter().find(|mount| mount.point == Path::new("/") && !has_parent(mount))?;
    for _ in mounts {
        let on_it = |next: &&Mount| next.parent == mount.id && next.id != mount.id;
        let next = mounts.iter().filter(on_it).filter(|next| path.starts_with(&next.point));
        match next.min_by_key(|next| next.point.components().count()) {
            Some(next) => mount = next,
            None => break,
        }
    }
    Some(mount)
}

/// The path with its symbolic links followed, as far as they lie on file systems that answer at once.
fn resolve(mounts: &[Mount], path: &Path) -> Option<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = parts(path).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            real.pop();
            continue;
        }
        let next = real.join(part);
        let is_slow = |mount: &Mount| SLOW.iter().any(|name| mount.fs_type.starts_with(name));
        if is_slow(holder(mounts, &next)?) {
            real = next;
            continue;
        }
        match std::fs::read_link(&next) {
            Ok(_) if links == MAX_LINKS => return None,
            Ok(target) => {
                links += 1;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                rest = parts(&target).chain(rest).collect();
            }
            Err(_) => real = next,
        }
    }
    Some(real)
}

/// The names in a path.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::mountinfo::parse;

    fn found(mounts: &str, path: &str) -> Option<String> {
        find(&parse(mounts.as_bytes()), Path::new(path)).map(|point| point.display().to_string())
    }

    const ROOT: &str = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n";

    #[test]
    fn the_mount_that_a_path_leads_to_counts() {
        let disk = format!("{ROOT}30 20 8:2 / /no-such/usb rw - vfat /dev/sdb1 rw\n");
        let cases = [
            ("/no-such/usb/dumps", "/no-such/usb"),
            ("/no-such/usb", "/no-such/usb"),
            ("/no-such/usb2", "/"),
        ];
        for (path, point) in cases {
            assert_eq!(found(&disk, path).as_deref(), Some(point), "{path}");
        }
        assert_eq!(found(ROOT, "/no-such/usb/dumps").as_deref(), Some("/"));
        // A mount on the parent hides it.
        let hidden = format!("{disk}40 20 0:9 / /no-such rw - tmpfs tmpfs rw\n");
        assert_eq!(found(&hidden, "/no-such/usb/dumps").as_deref(), Some("/no-such"));
        let stacked = format!("{disk}40 30 0:9 / /no-such/usb rw - tmpfs tmpfs rw\n");
        assert_eq!(found(&stacked, "/no-such/usb/dumps").as_deref(), Some("/no-such/usb"));
        // A root that is not a mount point, and no /proc.
        assert_eq!(found("30 20 8:2 / /no-such/usb rw - vfat /dev/sdb1 rw\n", "/no-such/usb"), None);
        assert_eq!(found("", "/no-such/usb"), None);
    }

    #[test]
    fn a_mount_that_hides_nothing_does_not_count() {
        let itself = format!("{ROOT}30 20 8:1 /no-such/dumps /no-such/dumps rw - ext4 /dev/sda1 rw\n");
        assert_eq!(found(&itself, "/no-such/dumps").as_deref(), Some("/"));
        let other = format!("{ROOT}30 20 8:1 /data /no-such/dumps rw - ext4 /dev/sda1 rw\n");
        assert_eq!(found(&other, "/no-such/dumps/a").as_deref(), Some("/no-such/dumps"));
        let subvolumes = "20 1 0:30 /@ / rw - btrfs /dev/sda1 rw\n\
                          30 20 0:30 /@/no-such/dumps /no-such/dumps rw - btrfs /dev/sda1 rw\n";
        assert_eq!(found(subvolumes, "/no-such/dumps").as_deref(), Some("/"));
        let own_parent = "20 20 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(found(own_parent, "/no-such/dumps").as_deref(), Some("/"));
    }

    #[test]
    fn symbolic_links_are_followed_and_end() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let disk = format!("{ROOT}30 20 8:2 / {}/disk rw - vfat /dev/sdb1 rw\n", real.display());
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, real.join(name)).unwrap();
        link("disk/sub", "relative");
        link(&format!("{}/relative/..", real.display()), "absolute");
        link("loop", "loop");
        let at = |name: &str| found(&disk, &real.join(name).display().to_string());
        let point = Some(real.join("disk").display().to_string());
        assert_eq!((at("relative/dumps"), at("absolute/dumps")), (point.clone(), point));
        assert_eq!((at("plain"), at("loop/dumps")), (Some("/".to_owned()), None));
    }
}
