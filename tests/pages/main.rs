//! Manual pages, lists in documents and shell completions are what the code says.
//!
//! `UPDATE=1 cargo test --test pages` writes all of them anew:
//!
//! - A list stands in a Markdown file between `<!-- generated: NAME -->` and `<!-- end -->` ([`lists`] has the names).
//! - A manual page `docs/man/NAME.SECTION` is made from the Markdown file beside it.
//! - `scripts/completions` has a file for each program and shell.
//! - `scripts/package` has a sample of each program's settings.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod api;
mod checked_in;
mod commands;
mod completions;
mod lists;
mod places;
mod programs;
#[allow(dead_code, reason = "a part of it is needed")]
#[path = "../support/repository.rs"]
mod repository;
mod roff;
mod settings;
mod source;
mod table;

use std::path::{Path, PathBuf};

use checked_in::all_agree;
use repository::{below, root, text};

/// Where the manual pages are, and the Markdown files that they are made from.
const MAN: &str = "docs/man";

/// Every document that may have generated lists.
fn documents() -> Vec<PathBuf> {
    let mut documents = below(&root().join("docs"));
    documents.extend(["README.md", "SECURITY.md"].map(|name| root().join(name)));
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents
}

#[test]
fn lists_in_documents_are_up_to_date() {
    let lists = lists::all();
    all_agree(documents().into_iter().map(|path| {
        let filled =
            places::fill(&text(&path), &lists).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        (path, filled)
    }));
}

#[test]
fn samples_of_the_settings_are_up_to_date() {
    let samples =
        [("oci-minidump.toml", settings::hook_sample()), ("ocicontainer.toml", settings::daemon_sample())];
    all_agree(samples.map(|(name, text)| (root().join("scripts/package").join(name), text)));
}

#[test]
fn every_list_is_in_a_document() {
    let texts: String = documents().iter().map(|path| text(path)).collect();
    for (name, _) in lists::all() {
        assert!(texts.contains(&places::mark(name)), "no document has a place for the list '{name}'");
    }
}

#[test]
fn manual_pages_are_up_to_date() {
    let lists = lists::all();
    let sources =
        below(&root().join(MAN)).into_iter().filter(|path| path.extension().is_some_and(|x| x == "md"));
    let pages: Vec<_> = sources.map(|path| page(&path, &lists)).collect();
    assert_eq!(pages.len(), 6, "{pages:?}");
    all_agree(pages);
}

/// The manual page beside a Markdown file, and what it must be.
fn page(source: &Path, lists: &lists::Lists) -> (PathBuf, String) {
    let text = places::fill(&text(source), lists).unwrap();
    (source.with_extension(""), roff::page(&text))
}

#[test]
fn every_manual_page_has_its_sections() {
    for path in below(&root().join(MAN)) {
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = text(&path);
            for section in ["Name", "Description", "Examples", "See also"] {
                assert!(text.contains(&format!("\n## {section}\n")), "{}: no {section}", path.display());
            }
        }
    }
}

#[test]
fn completions_are_up_to_date() {
    all_agree(completions::all());
}
