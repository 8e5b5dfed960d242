//! The files of the repository that the tests read.

use std::path::PathBuf;

pub(crate) use crate::support::repository::{below, root, text};

/// The documents: the ones at the top of the repository, and the book's pages.
pub(crate) fn documents() -> Vec<PathBuf> {
    let top = ["README.md", "SECURITY.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    let pages = below(&root().join("docs")).into_iter();
    let pages = pages.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    top.into_iter().chain(pages).collect()
}

/// The source files of the library and its programs.
pub(crate) fn sources() -> Vec<PathBuf> {
    let files = below(&root().join("src")).into_iter();
    files.filter(|path| path.extension().is_some_and(|kind| kind == "rs")).collect()
}
