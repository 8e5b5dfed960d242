//! The stand-in for a runtime ([`crate::calls::runtime`]): a link beside the hook, whose name says what stands behind it.

use std::path::{Path, PathBuf};

use crate::engines::change::{Change, Fate};
use crate::engines::tree::Tree;

/// The path of the stand-in `name`, as an engine will see it.
#[must_use]
pub fn path(tree: &Tree, name: &str) -> PathBuf {
    tree.program().with_file_name(name)
}

/// Makes the link, or removes it.
#[must_use]
pub fn changes(tree: &Tree, name: &str, undo: bool) -> Vec<Change> {
    let link = tree.at(path(tree, name));
    // Relative, so that it is right in every tree.
    let target = Path::new(tree.program().file_name().unwrap_or_default());
    let is_ours = std::fs::read_link(&link).is_ok_and(|present| present == target);
    match undo {
        true if !is_ours => Vec::new(),
        true => vec![Change { path: link, fate: Fate::Gone }],
        false => vec![Change { path: link, fate: Fate::Link(target.to_owned()) }],
    }
}
