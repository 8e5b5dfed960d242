//! The programs of `examples/` that tests run, each built once per test process.
//!
//! Cargo does the build. It waits for no lock: `cargo test` gives up that of the target directory before it starts a
//! test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// `examples/crasher.rs`, linked statically, so that it runs alone in a container's root.
pub(crate) fn crasher() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let options = ["rustc", "--features", "crasher", "--example", "crasher"];
    PATH.get_or_init(|| build("crasher", &options, &["--", "-C", "target-feature=+crt-static"]))
}

/// `examples/without.rs`, which makes the kernel look older.
pub(crate) fn without() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("without", &["build", "--example", "without"], &[]))
}

/// `examples/faulty.rs`, which kills a program at one exact system call, holds it up there, or lets that call fail.
pub(crate) fn faulty() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("faulty", &["build", "--example", "faulty"], &[]))
}

fn build(name: &str, options: &[&str], more: &[&str]) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(options)
        .arg("--message-format=json-render-diagnostics")
        .args(more)
        .stdin(Stdio::null());
    let output = cargo.output().unwrap_or_else(|error| panic!("cannot run {cargo:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{cargo:?}: {}\n{err}\n{out}", output.status);
    // Cargo says where it put the program, whatever its target directory is.
    let messages = out.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program = messages
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.unwrap_or_else(|| panic!("{cargo:?} names no program:\n{out}"))
}
