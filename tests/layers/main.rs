//! The map of the crate is true: no module uses one that stands above it, no files use each other in a circle, and no
//! folder is too full to be taken in at a glance.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod graph;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use graph::{Graph, Module};

const SRC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
/// The most files in a folder beside its `mod.rs` or `lib.rs`.
const MAX_FILES: usize = 12;

/// Every Rust file below a folder.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The text of each module of the library. Programs stand above all of it.
fn library() -> BTreeMap<Module, String> {
    let src = Path::new(SRC);
    let files = below(src).into_iter().filter(|path| !path.starts_with(src.join("bin")));
    let entries = files.map(|path| {
        let name = path.strip_prefix(src).unwrap().with_extension("");
        let mut module: Module = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        (module, fs::read_to_string(&path).unwrap())
    });
    entries.collect()
}

fn none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_map_names_all_modules() {
    let graph = Graph::new(&library());
    assert!(graph.has_map(&[]) && graph.has_map(&["control"]), "the crate and control have a map");
    none("maps that are not true", &graph.wrong_maps());
}

#[test]
fn no_module_uses_one_above_it() {
    none("arrows that lead up", &Graph::new(&library()).upward());
}

#[test]
fn no_files_use_each_other() {
    none("circles", &Graph::new(&library()).circles());
}

#[test]
fn no_folder_has_more_than_a_dozen_files() {
    let mut folders: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for path in below(Path::new(SRC)) {
        if !path.ends_with("mod.rs") && !path.ends_with("lib.rs") {
            *folders.entry(path.parent().unwrap().to_owned()).or_default() += 1;
        }
    }
    let full = folders.iter().filter(|(_, count)| **count > MAX_FILES);
    let full: Vec<_> = full.map(|(dir, count)| format!("{}: {count}", dir.display())).collect();
    none("folders with too many files", &full);
}

fn graph(files: &[(&str, &str)]) -> Graph {
    let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Graph::new(&files.iter().map(|(name, text)| (module(name), (*text).to_owned())).collect())
}

const MAP: &str = "//! From the bottom up:\n//!\n//! - [`low`]: x; [`other`]: y.\n//! - `high`: z.\n\nmod high;\nmod low;\nmod other;\n";

#[test]
fn each_way_up_is_found() {
    let ways = [
        "use crate::high::Thing;",
        "use crate::{error, high::{self, Thing as Other}};",
        "fn f() { crate::high::g() }",
        "pub(crate) use super::high;",
        "fn f(x: super::high::Thing<'_>) -> char { '\"' }",
        "use crate::other;\nfn f() {}",
        "#[cfg(test)]\nmod tests {\n    use super::super::high::Thing;\n}",
    ];
    for way in ways {
        let files = [("", MAP), ("low", way), ("other", ""), ("high", "")];
        assert_eq!(graph(&files).upward().len(), 1, "{way}");
    }
    let harmless = [
        "//! See [`crate::high`].\nuse std::high::Thing;",
        "const X: &str = \"crate::high::g\"; /* crate::high::g */ const Y: &str = r#\"\"crate::high::g\"#;",
        "fn f() { let high = 1; Self::high::<u8>(); }",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n}",
    ];
    for way in harmless {
        let files = [("", MAP), ("low", way), ("other", "use crate::low;"), ("high", "use crate::low::X;")];
        assert_eq!(graph(&files).upward(), [""; 0], "{way}");
        assert_eq!(graph(&files).circles(), [""; 0], "{way}");
    }
}

#[test]
fn circles_and_wrong_maps_are_found() {
    let between = [("", MAP), ("low", "use crate::other::X;"), ("other", "use crate::low::Y;"), ("high", "")];
    assert_eq!(graph(&between).circles().len(), 1);
    // A folder that uses its own files, one of which uses the folder.
    let inside = [("", "mod a;"), ("a", "mod b;\npub use b::X;"), ("a::b", "use super::Y;")];
    assert_eq!(graph(&inside).circles(), ["files in a circle: a -> a::b, a::b -> a"]);
    let through = [
        ("", "mod a;"),
        ("a", "mod b;\nmod c;"),
        ("a::b", "use super::c;\nfn f() { c::g() }"),
        ("a::c", "use super::b::X;"),
    ];
    assert_eq!(graph(&through).circles().len(), 1);
    let unlisted = [
        ("", "//! From the bottom up:\n//!\n//! - [`low`]: x.\n\nmod low;\nmod high;\n"),
        ("low", ""),
        ("high", ""),
    ];
    assert_eq!(graph(&unlisted).wrong_maps().len(), 1);
}
