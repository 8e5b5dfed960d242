//! The files of the repository that the tests read.

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the repository.
pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// All files below a directory, sorted.
pub(crate) fn below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

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
