//! What plugins change in a configuration.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::control::bundle::config;
use crate::error::{Error, ErrorKind, Result};
use crate::host::json_path;

/// The list at `path`, made if it is missing.
///
/// # Errors
/// [`ErrorKind::Config`] when something else is there.
pub(crate) fn list<'a>(config: &'a mut Value, path: &[&str]) -> Result<&'a mut Vec<Value>> {
    part(config, path, json!([]))?.as_array_mut().ok_or_else(|| wrong(path))
}

/// The object at `path`, made if it is missing.
///
/// # Errors
/// As [`list`].
pub(crate) fn object<'a>(config: &'a mut Value, path: &[&str]) -> Result<&'a mut Map<String, Value>> {
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
pub(crate) fn set_env(config: &mut Value, variables: &[String]) -> Result<()> {
    config::set_env(object(config, &["process"])?, variables)
}

/// A path of the host and its place in the container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bind<'a> {
    /// On the host; the place in the container is a directory or a file as this is.
    pub(crate) source: &'a Path,
    /// In the container.
    pub(crate) destination: &'a str,
    /// Options besides `bind`.
    pub(crate) options: &'a [&'a str],
}

impl Bind<'_> {
    /// Adds the mount, unless the same is there already.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a path that JSON cannot hold, or that leads out of the container; the kernel's.
    pub(crate) fn add_to(&self, config: &mut Value) -> Result<()> {
        let source = json_path(self.source)?;
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

/// Takes a plugin out of the configuration, so that later daemons, too, know nothing of it.
pub(crate) fn forget_plugin(config: &mut Value, name: &str) {
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
}
