//! CRI-O reads hooks.d in the directories of `hooks_dir` (crio.conf(5)).

use std::path::PathBuf;

use crate::engines::podman::choose;
use crate::engines::tree::Tree;
use crate::error::Result;

const FILE: &str = "/etc/crio/crio.conf";
const MORE: &str = "/etc/crio/crio.conf.d";

/// A directory that CRI-O reads: the usual one if it does, else the first.
///
/// # Errors
/// [`crate::error::ErrorKind::Config`] when a file cannot be understood.
pub fn dir(tree: &Tree) -> Result<PathBuf> {
    let files = std::iter::once(PathBuf::from(FILE)).chain(tree.list(MORE, ""));
    choose(tree, files, &["crio", "runtime", "hooks_dir"])
}
