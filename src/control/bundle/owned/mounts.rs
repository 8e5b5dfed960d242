//! `mounts`: the kernel's own file systems, and directories of the host that the administrator lists.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::control::bundle::owned::refused::{Owner, Refused, Ruling, array, is_empty};
use crate::control::settings::BundleOwners;
use crate::host;

/// File systems that show a container nothing but its own.
const TYPES: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"];
/// Options for every mount (mount(8)).
const OPTIONS: [&str; 24] = [
    "ro",
    "rw",
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "noatime",
    "nodiratime",
    "relatime",
    "strictatime",
    "sync",
    "async",
    "dirsync",
    "private",
    "rprivate",
    "slave",
    "rslave",
    "defaults",
    "newinstance",
    "nosymfollow",
    "lazytime",
    "norelatime",
];
/// Options with a value, for tmpfs and devpts.
const VALUED: [&str; 6] = ["size=", "mode=", "nr_inodes=", "uid=", "gid=", "ptmxmode="];

/// Write permission for others than the owner.
const OTHERS_WRITE: u32 = 0o022;

/// Checks `mounts`.
pub(super) fn check(mounts: &[Value], owner: Owner, owners: &BundleOwners) -> Ruling {
    mounts.iter().try_for_each(|mount| check_one(mount, owner, owners))
}

fn check_one(mount: &Value, owner: Owner, owners: &BundleOwners) -> Ruling {
    let kind = mount["type"].as_str().unwrap_or_default();
    let given = mount["options"].as_array();
    let bind = kind == "bind" || given.is_some_and(|options| options.iter().any(is_bind));
    let members = mount.as_object().ok_or_else(|| Refused::new("one of mounts is not an object"))?;
    if let Some(key) =
        members.keys().find(|key| !["destination", "type", "source", "options"].contains(&key.as_str()))
    {
        return Err(Refused::new(format!("mounts.{key} is for root's bundles only")));
    }
    options(&mount["options"], bind)?;
    if bind {
        return source(&mount["source"], owner, owners);
    }
    if TYPES.contains(&kind) { Ok(()) } else { Err(Refused::new(format!("a mount of the type {kind:?}"))) }
}

fn is_bind(option: &Value) -> bool {
    ["bind", "rbind"].iter().any(|bind| option == bind)
}

/// Checks the options of a mount, of a path of the host or another.
pub(super) fn options(options: &Value, bind: bool) -> Ruling {
    for option in array("the options of a mount", options)?.iter().filter(|option| !is_bind(option)) {
        let known = option.as_str().is_some_and(|option| {
            OPTIONS.contains(&option) || (!bind && VALUED.iter().any(|valued| option.starts_with(valued)))
        });
        if !known {
            return Err(Refused::new(format!("a mount with the option {option}")));
        }
    }
    Ok(())
}

/// What is bound must be listed, and only root may be able to change where its path leads: the runtime goes there later.
/// What is at its end may be the app's own.
pub(super) fn source(shown: &Value, owner: Owner, owners: &BundleOwners) -> Ruling {
    let refused = || {
        Refused::new(format!("it mounts {shown} of the host"))
            .advise("list the directory in bundle_mounts, if every app may have it")
    };
    if is_empty(shown) {
        return Err(refused());
    }
    let path = shown.as_str().and_then(plain_path).ok_or_else(refused)?;
    if !owners.mounts.iter().any(|listed| path.starts_with(listed)) {
        return Err(refused());
    }
    if path.canonicalize().ok().as_ref() != Some(&path) || !stays(&path, owner) {
        return Err(Refused::new(format!(
            "it mounts {shown} of the host, whose path others than root can change"
        ))
        .advise("name what is there without symbolic links, and have the directories above belong to root"));
    }
    Ok(())
}

/// Whether only root decides what is at a path. In a sticky directory, the app could exchange what is its own.
fn stays(path: &Path, owner: Owner) -> bool {
    let above = path.parent().unwrap_or(path);
    let is_the_apps = path.metadata().is_ok_and(|file| file.uid() == owner.uid);
    if is_the_apps { is_roots_alone(above) } else { host::check_trusted(path).is_ok() }
}

/// Whether only root can make or exchange anything in a directory.
pub(super) fn is_roots_alone(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|dir| dir.mode() & OTHERS_WRITE == 0) && host::check_trusted(dir).is_ok()
}

/// A path that can only mean one thing: absolute and without `..`.
pub(super) fn plain_path(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    (path.is_absolute() && path.components().all(plain)).then(|| path.to_owned())
}
