//! Every link leads somewhere, and every file that is named exists.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::files::{documents, root, text};
use crate::markdown::Document;

/// Where a link in a document leads: a file, and an anchor in it.
fn target(document: &Document, link: &str) -> (PathBuf, Option<String>) {
    let (file, anchor) =
        link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor.to_owned())));
    let path = if file.is_empty() { document.path.clone() } else { document.path.with_file_name(file) };
    (normal(&path), anchor)
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// The anchors of a page; one that includes another file has those of that file.
fn anchors(path: &Path) -> Vec<String> {
    let document = Document::open(path);
    let included = document.text.split_once("{{#include ").and_then(|(_, rest)| rest.split_once("}}"));
    match included {
        Some((file, _)) => Document::open(&normal(&path.with_file_name(file.trim()))).anchors(),
        None => document.anchors(),
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    for path in documents() {
        let document = Document::open(&path);
        for link in document.links().iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = target(&document, link);
            assert!(file.exists(), "{}: {link} leads nowhere", document.shown());
            if let Some(anchor) = anchor {
                assert!(anchors(&file).contains(&anchor), "{}: {link} has no such heading", document.shown());
            }
            // A book that is published has only its own pages.
            let book = root().join("docs");
            let is_page = document.path.starts_with(&book);
            assert!(
                !is_page || file.starts_with(&book),
                "{}: {link} leads out of the book",
                document.shown()
            );
        }
    }
}

#[test]
fn every_page_is_in_the_summary_and_includes_what_exists() {
    let summary = Document::open(&root().join("docs/SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = summary.links().iter().map(|link| target(&summary, link).0).collect();
    let pages: BTreeSet<PathBuf> = documents()
        .into_iter()
        .filter(|path| path.starts_with(root().join("docs")) && *path != summary.path)
        .collect();
    assert_eq!(listed, pages);
    for page in pages {
        for (n, part) in text(&page).split("{{#include ").enumerate().skip(1) {
            let file = part.split_once("}}").unwrap().0;
            assert!(normal(&page.with_file_name(file)).exists(), "{} {n}: {file}", page.display());
        }
    }
}

#[test]
fn every_script_and_example_that_is_named_exists() {
    const DIRECTORIES: [&str; 4] = ["scripts/", "hooks/", "examples/", "tests/"];
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    for path in documents() {
        let document = Document::open(&path);
        for word in document.text.split(|c: char| !is_path(c)) {
            let word = word.trim_end_matches(['.', '-', '/']);
            let is_ours = DIRECTORIES.iter().any(|directory| word.starts_with(directory));
            assert!(!is_ours || root().join(word).exists(), "{}: there is no {word}", document.shown());
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = text(&root().join("README.md")).lines().count();
    assert!(lines <= 110, "the README has {lines} lines, at most 110 are allowed");
}
