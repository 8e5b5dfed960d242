//! podman reads hooks.d in the directories that containers.conf(5) names. A directory on its command line would be forgotten
//! at a restart: conmon calls podman again without it.

use std::path::PathBuf;

use crate::engines::hooks_dir;
use crate::engines::tree::Tree;
use crate::error::{Error, ErrorKind, Result};

/// containers.conf in the order in which podman reads them; the last one that names directories counts.
const FILES: [&str; 2] = ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"];
const MORE: &str = "/etc/containers/containers.conf.d";

/// A directory that podman reads: the usual one if it does, else the first.
///
/// # Errors
/// [`ErrorKind::Config`] when a file cannot be understood.
pub fn dir(tree: &Tree) -> Result<PathBuf> {
    let files = FILES.iter().map(PathBuf::from).chain(tree.list(MORE, ".conf"));
    choose(tree, files, &["engine", "hooks_dir"])
}

/// The directory to use of those that the last of `files` with the setting `key` names.
pub(super) fn choose(tree: &Tree, files: impl Iterator<Item = PathBuf>, key: &[&str]) -> Result<PathBuf> {
    let mut dirs = Vec::new();
    for file in files {
        let Some(text) = tree.look_at(&file)? else { continue };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Error::new(
                ErrorKind::Config,
                format!("{} is wrong: {}", tree.at(&file).display(), error.message()),
            )
        })?;
        let value = key
            .iter()
            .skip(1)
            .try_fold(table.get(key.first().copied().unwrap_or_default()), |value, part| {
                Some(value?.get(part))
            });
        if let Some(toml::Value::Array(named)) = value.flatten() {
            let paths = named.iter().filter_map(toml::Value::as_str).map(PathBuf::from);
            dirs = paths.filter(|path| path.is_absolute()).collect();
        }
    }
    let usual = PathBuf::from(hooks_dir::DEFAULT);
    if dirs.is_empty() || dirs.contains(&usual) {
        return Ok(usual);
    }
    Ok(dirs.swap_remove(0))
}
