//! The table of adverse cases, `cases.md`: it is complete, and every test that it names exists.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const TABLE: &str = include_str!("cases.md");

/// A row of the table.
struct Case {
    number: usize,
    what: &'static str,
    /// `FILE::NAME` of each test.
    tests: Vec<&'static str>,
    /// What no test shows yet.
    open: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let rows =
        TABLE.lines().map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    rows.filter_map(|row| match row[..] {
        [number, what, proof] => {
            let number = number.parse().ok()?;
            let parts = || proof.split("<br>");
            let tests = parts().filter_map(|part| part.strip_prefix('`')?.strip_suffix('`')).collect();
            Some(Case { number, what, tests, open: parts().find_map(|part| part.strip_prefix("open: ")) })
        }
        _ => None,
    })
    .collect()
}

/// Whether `FILE::NAME` names a test.
fn exists(test: &str) -> bool {
    let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} is no file and name"));
    let dir = if file.starts_with("src/") { "" } else { "tests/" };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{dir}{file}.rs"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    lines.windows(2).any(|pair| {
        let is_test = pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test");
        is_test && heads.iter().any(|head| pair[1].starts_with(head.as_str()))
    })
}

#[test]
fn every_adverse_case_has_tests_and_they_exist() {
    let cases = cases();
    let numbers: Vec<usize> = cases.iter().map(|case| case.number).collect();
    let different: BTreeSet<usize> = numbers.iter().copied().collect();
    assert_eq!(different.len(), numbers.len(), "a number is there twice: {numbers:?}");
    let mut tests: BTreeSet<&str> = BTreeSet::new();
    for Case { number, what, tests: names, open } in &cases {
        assert!(!names.is_empty(), "case {number} ({what}) has no test");
        let missing: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "case {number} ({what}): there is no test {missing:?}");
        if let Some(rest) = open {
            println!("case {number} ({what}) is open: {rest}");
        }
        tests.extend(names);
    }
    let open = cases.iter().filter(|case| case.open.is_some()).count();
    let count = cases.len();
    println!("{count} adverse cases: {} proven, {open} open, by {} tests", count - open, tests.len());
}

/// What declares the modules in a directory of tests: its `main.rs` or `mod.rs`, or the file beside it of the same name.
fn declared_in(dir: &Path) -> String {
    let beside = dir.with_extension("rs");
    let files = [dir.join("main.rs"), dir.join("mod.rs"), beside];
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
}

fn assert_all_declared(dir: &Path) {
    let declared = declared_in(dir);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_module = path.extension().is_some_and(|extension| extension == "rs")
            && !fs::read_to_string(&path).unwrap().contains("\nfn main()");
        if is_module && !["main", "mod"].contains(&name.as_str()) {
            let line = |line: &str| line.ends_with(&format!("mod {name};"));
            assert!(declared.lines().any(line), "{} is compiled into nothing", path.display());
        }
        if path.is_dir() {
            assert_all_declared(&path);
        }
    }
}

/// A file that is not declared is not compiled, and its tests pass for ever.
#[test]
fn every_file_of_tests_is_compiled() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")).unwrap() {
        let dir = entry.unwrap().path();
        // Binaries of their own, data, and what each set of tests declares as it needs.
        if dir.is_dir() && !["fuzz", "data", "support"].iter().any(|other| dir.ends_with(other)) {
            assert_all_declared(&dir);
        }
    }
}
