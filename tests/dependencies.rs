//! The crates that cargo compiles into the hook are those that `docs/dependencies-hook.txt` lists: none comes in unawares.
//!
//! `UPDATE=1 cargo test --test dependencies` writes the list anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dependencies-hook.txt");

const HEAD: &str = "\
# The crates that cargo compiles into oci-minidump-hook, each with those that need it. tests/dependencies.rs compares the list
# with cargo's; UPDATE=1 cargo test --test dependencies writes it anew. Why the first ones are there, Cargo.toml says.
";

/// Each crate with those that need it, as cargo's tree has them: without the daemon's features.
fn linked() -> BTreeMap<String, BTreeSet<String>> {
    linked_with("old-kernels")
}

/// The same with these features, and without what only runs when the program is compiled.
fn linked_with(features: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--no-default-features", "--features", features, "--no-dedupe"]);
    cargo.args(["--target", "x86_64-unknown-linux-musl"]);
    cargo.args(["--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}"]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut above: Vec<String> = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()) {
        let (depth, package) = line.split_once(' ').unwrap();
        let name = package.split(' ').next().unwrap().to_owned();
        above.truncate(depth.parse().unwrap());
        if let Some(parent) = above.last() {
            crates.entry(name.clone()).or_default().insert(parent.clone());
        }
        above.push(name);
    }
    crates
}

/// The list as it must be.
fn list() -> String {
    let lines = linked().into_iter().map(|(name, parents)| {
        let parents: Vec<_> = parents.into_iter().collect();
        format!("{name:16} {}\n", parents.join(", "))
    });
    HEAD.to_owned() + &lines.collect::<String>()
}

#[test]
fn the_list_of_the_hooks_crates_is_up_to_date() {
    let list = list();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(LIST, &list).unwrap();
    }
    let present = std::fs::read_to_string(LIST).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (present_lines, lines) = (lines(&present), lines(&list));
    assert!(
        present == list,
        "docs/dependencies-hook.txt is stale; UPDATE=1 cargo test --test dependencies writes it anew:\n\
         new:  {:#?}\ngone: {:#?}",
        lines.difference(&present_lines).collect::<Vec<_>>(),
        present_lines.difference(&lines).collect::<Vec<_>>()
    );
}

/// A message of regex-syntax. oci-spec needs regular expressions for types that the hook does not use, so that the linker
/// leaves them out.
const REGEX: &str = "look-around, including look-ahead and look-behind";

#[test]
fn the_hook_has_no_regular_expressions() {
    let hook = std::fs::read(env!("CARGO_BIN_EXE_oci-minidump-hook")).unwrap();
    assert!(!String::from_utf8_lossy(&hook).contains(REGEX), "regex is linked into the hook");
}

#[test]
fn the_hook_has_no_part_of_the_other_programs() {
    let linked = linked();
    let others = [
        "clap",
        "cpp_demangle",
        "flate2",
        "gimli",
        "hyper",
        "minidump",
        "minidump-unwind",
        "rustc-demangle",
        "tokio",
        "tokio-tungstenite",
    ];
    for name in others {
        assert!(!linked.contains_key(name), "{name} is linked into the hook: {:?}", linked.get(name));
    }
}

#[test]
fn the_daemon_has_dbus_only_when_it_is_asked_for() {
    let of_bus = |features: &str| {
        let crates = linked_with(features).into_keys();
        crates.filter(|name| name.starts_with("zbus") || name.starts_with("zvariant")).count()
    };
    assert_eq!(of_bus("old-kernels,daemon"), 0);
    assert!(of_bus("old-kernels,dbus") > 0);
}

/// A version of Rust as numbers.
fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap()).collect()
}

#[test]
fn no_crate_wants_a_newer_rust_than_is_said() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--all-features", "--format-version", "1"]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages {
        let Some(wanted) = package["rust_version"].as_str() else { continue };
        let name = &package["name"];
        assert!(version(wanted)[..2] <= version(env!("CARGO_PKG_RUST_VERSION"))[..2], "{name}: {wanted}");
    }
    let documented = format!("Rust {}** is the oldest", env!("CARGO_PKG_RUST_VERSION"));
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/packages.md");
    assert!(std::fs::read_to_string(page).unwrap().contains(&documented), "{page}: {documented}");
}
