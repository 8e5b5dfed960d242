//! Mount points for what plugins mount.
//!
//! A runtime makes those that are missing, as the root of the container: with a user namespace, one that may not write
//! to a root file system of the host's root. Dobby makes them in the bundle, too.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pathrs::{InodeType, Root};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::process::caught;

/// Makes the points of all mounts from number `from` on that have none. What fails is left to the runtime.
pub(crate) fn make(config: &Value, from: usize) {
    let namespaces = config["linux"]["namespaces"].as_array().into_iter().flatten();
    if !namespaces.into_iter().any(|namespace| namespace["type"] == "user") {
        return;
    }
    let Some(root) = config["root"]["path"].as_str() else { return };
    let mounts: Vec<_> = config["mounts"].as_array().into_iter().flatten().collect();
    for mount in mounts.get(from..).unwrap_or_default() {
        let (Some(point), Some(source)) = (place(mount), mount["source"].as_str()) else { continue };
        let others = mounts.iter().filter_map(|mount| place(mount)).filter(|other| *other != point);
        // What lies on another mount is not in the root file system.
        if others.into_iter().any(|other| point.starts_with(other) && other != Path::new("/")) {
            continue;
        }
        let is_dir = Path::new(source).is_dir();
        let made = caught(|| make_one(Path::new(root), point, is_dir));
        if let Some(Err(error)) = made {
            log::debug!("{}", error.report());
        }
    }
}

fn place(mount: &Value) -> Option<&Path> {
    mount["destination"].as_str().map(Path::new)
}

/// Makes a directory or an empty file, unless something is there. Links lead nowhere outside of the root.
fn make_one(root: &Path, point: &Path, is_dir: bool) -> Result<()> {
    let failed = |error: pathrs::error::Error| {
        let what = format!("cannot make {} in {}", point.display(), root.display());
        Error::new(ErrorKind::System, what).caused_by(error)
    };
    let root = Root::open(root).map_err(failed)?;
    if root.resolve(point).is_ok() {
        return Ok(());
    }
    let above = if is_dir { point } else { point.parent().unwrap_or(point) };
    root.mkdir_all(above, &Permissions::from_mode(0o755)).map_err(failed)?;
    if is_dir {
        return Ok(());
    }
    root.create(point, &InodeType::File(Permissions::from_mode(0o644))).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn points_are_made_inside_the_root_only() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
        for made in [&root, &outside] {
            std::fs::create_dir(made).unwrap();
        }
        std::os::unix::fs::symlink("../../outside", root.join("link")).unwrap();
        let mount = |source: &str, place: &str| json!({"source": source, "destination": place});
        let mut config = json!({
            "root": {"path": root},
            "mounts": [mount("tmpfs", "/tmp"), mount("/etc", "/a/b"), mount("/etc/passwd", "/a/./c"),
                mount("/etc", "/link/x"), mount("/etc", "/tmp/y"), mount("/etc", "/../z")],
        });
        make(&config, 1);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1, "no user namespace, no need");
        config["linux"]["namespaces"] = json!([{"type": "user"}]);
        make(&config, 1);
        assert!(root.join("a/b").is_dir() && root.join("a/c").is_file() && root.join("z").is_dir());
        assert!(!root.join("tmp").exists());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!dir.path().join("z").exists());
    }
}
