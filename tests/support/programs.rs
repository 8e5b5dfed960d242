//! The programs of `examples/` that tests run, each built once per test process.
//!
//! Cargo does the build. It waits for no lock: `cargo test` gives up that of the target directory before it starts a
//! test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::host_program::HostProgram;

/// `examples/crasher.rs`, linked statically, so that it runs alone in a container's root.
pub(crate) fn crasher() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let options = ["rustc", "--features", "crasher", "--example", "crasher"];
    PATH.get_or_init(|| build("crasher", &options, &["--", "-C", "target-feature=+crt-static"]))
}

/// `examples/kernel_without.rs`, which makes the kernel look older.
pub(crate) fn kernel_without() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("kernel_without", &["build", "--example", "kernel_without"], &[]))
}

/// `examples/fault_injector.rs`, which kills a program at one exact system call, holds it up there, or lets that call fail.
pub(crate) fn fault_injector() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("fault_injector", &["build", "--example", "fault_injector"], &[]))
}

/// `examples/minimal_daemon.rs`, to be killed.
pub(crate) fn minimal_daemon() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("minimal_daemon", &["build", "--example", "minimal_daemon"], &[]))
}

fn build(name: &str, options: &[&str], more: &[&str]) -> PathBuf {
    let args = [options, &["--message-format=json-render-diagnostics"], more].concat();
    let built = HostProgram::start(env!("CARGO"), &args).finish_blocking();
    assert_eq!(built.code, 0, "cargo {args:?}: {built}");
    // Cargo says where it put the program, whatever its target directory is.
    let messages =
        built.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let program = messages
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.unwrap_or_else(|| panic!("cargo {args:?} names no program:\n{}", built.stdout))
}
