//! What plugins change in a configuration.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path};

use serde_json::{Map, Value, json};

use crate::control::shadow;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The list at `path`, made if it is missing.
///
/// # Errors
/// [`ErrorKind::Config`] when something else is there.
pub(super) fn list<'a>(config: &'a mut Value, path: &[&str]) -> Result<&'a mut Vec<Value>> {
    part(config, path, json!([]))?.as_array_mut().ok_or_else(|| wrong(path))
}

/// The object at `path`, made if it is missing.
///
/// # Errors
/// As [`list`].
pub(super) fn object<'a>(config: &'a mut Value, path: &[&str]) -> Result<&'a mut Map<String, Value>> {
    part(config, path, json!({}))?.as_object_mut().ok_or_else(|| wrong(path))
}

fn part<'a>(config: &'a mut Value, path: &[&str], empty: Value) -> Result<&'a mut Value> {
    let Some((last, above)) = path.split_last() else { return Ok(config) };
    let mut part = config;
    for name in above {
        part = part.as_object_mut().ok_or_else(|| wrong(path))?.entry(*name).or_insert(json!({}));
    }
    Ok(part.as_object_mut().ok_or_else(|| wrong(path))?.entry(*last).or_insert(empty))
}

fn wrong(path: &[&str]) -> Error {
    Error::new(ErrorKind::Config, format!("the configuration has a malformed {}", path.join(".")))
}

/// Sets variables of the container's program.
///
/// # Errors
/// [`ErrorKind::Input`] for what cannot be a variable, [`ErrorKind::Config`] when there is no place for them.
pub(super) fn set_env(config: &mut Value, variables: &[String]) -> Result<()> {
    shadow::set_env(object(config, &["process"])?, variables)
}

/// A path of the host and its place in the container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bind<'a> {
    /// On the host; the place in the container is a directory or a file as this is.
    pub(super) source: &'a Path,
    /// In the container.
    pub(super) destination: &'a str,
    /// Options besides `bind`.
    pub(super) options: &'a [&'a str],
}

impl Bind<'_> {
    /// Adds the mount, unless the same is there already.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a path that JSON cannot hold, or that leads out of the container; the kernel's.
    pub(super) fn add_to(&self, config: &mut Value) -> Result<()> {
        let source = self.source.to_str().ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the path {} is not UTF-8", self.source.display()))
        })?;
        let mounts = list(config, &["mounts"])?;
        if mounts.iter().any(|mount| mount["source"] == source && mount["destination"] == self.destination) {
            return Ok(());
        }
        let options: Vec<_> = std::iter::once("bind").chain(self.options.iter().copied()).collect();
        let mount =
            json!({"destination": self.destination, "type": "bind", "source": source, "options": options});
        mounts.push(mount);
        Ok(())
    }
}

/// Makes the mount points of all mounts in a root file system that is ours alone: in a user namespace, the runtime may
/// not. Those in a bundle's own are the runtime's to make, as they are without us.
///
/// # Errors
/// [`ErrorKind::Config`] for a place that leads out of the root; the kernel's.
pub(in crate::control) fn make_mount_points(config: &Value, rootfs: &Path) -> Result<()> {
    for mount in config["mounts"].as_array().into_iter().flatten() {
        let (Some(place), Some(source)) = (mount["destination"].as_str(), mount["source"].as_str()) else {
            continue;
        };
        if mount["type"] == "bind" {
            make_mount_point(rootfs, Path::new(place), Path::new(source).is_dir())?;
        }
    }
    Ok(())
}

/// Nobody but us has written to this root, so there are no links in it.
fn make_mount_point(rootfs: &Path, place: &Path, is_dir: bool) -> Result<()> {
    let what = || format!("cannot make {} in the container", place.display());
    let parts = place.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
    let mut path = rootfs.to_owned();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(Error::new(ErrorKind::Config, format!("{}: it leads out of the root", what())));
        };
        path.push(name);
        if path.exists() {
            continue;
        }
        if parts.peek().is_some() || is_dir {
            DirBuilder::new().mode(0o755).create(&path).tried(what)?;
        } else {
            File::create_new(&path).map(drop).tried(what)?;
        }
    }
    Ok(())
}

/// Takes a plugin out of the configuration, so that later daemons, too, know nothing of it.
pub(super) fn forget_plugin(config: &mut Value, name: &str) {
    if let Some(plugins) = config.get_mut("rdkPlugins").and_then(Value::as_object_mut) {
        plugins.shift_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_made_and_mounts_added_once() {
        let mut config = json!({"linux": {}});
        let bind = Bind { source: Path::new("/etc"), destination: "/x", options: &["ro"] };
        for _ in 0..2 {
            bind.add_to(&mut config).unwrap();
        }
        let mount = json!({"destination": "/x", "type": "bind", "source": "/etc", "options": ["bind", "ro"]});
        assert_eq!(config["mounts"], json!([mount]));
        list(&mut config, &["linux", "resources", "devices"]).unwrap().push(json!(1));
        assert_eq!(config["linux"]["resources"]["devices"], json!([1]));
        assert!(list(&mut json!({"mounts": 1}), &["mounts"]).is_err());
    }

    #[test]
    fn mount_points_are_made_inside_the_root_only() {
        let root = tempfile::tempdir().unwrap();
        let mount = |source: &str, place: &str| json!({"mounts": [{"type": "bind", "source": source, "destination": place}]});
        for (source, place) in
            [("/etc", "/a/b"), ("/etc/passwd", "a/./c"), ("/etc", "/"), ("/none", "/a/b/d")]
        {
            make_mount_points(&mount(source, place), root.path()).unwrap();
        }
        assert!(root.path().join("a/b").is_dir() && root.path().join("a/c").is_file());
        assert!(make_mount_points(&mount("/etc", "/a/../../x"), root.path()).is_err());
    }
}
