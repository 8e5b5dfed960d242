//! What is installed and packed: the scripts are run for real, in throwaway roots.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod list;
mod packages;
mod yocto;

use std::path::Path;
use std::process::{Command, Output};

/// The project's directory.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A script of the project. Any program will do as the others: what is packed is not looked at.
fn script(name: &str) -> Command {
    let hook = std::env::var_os("OCI_MINIDUMP_HOOK")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_oci-minidump-hook").into());
    let mut command = Command::new(Path::new(ROOT).join("scripts").join(name));
    command
        .env("OCI_MINIDUMP_HOOK", &hook)
        .env("OCICONTAINER", &hook)
        .env("OCI_MINIDUMP_STACK", &hook)
        .current_dir("/");
    command
}

/// Runs a command that must succeed, and gives what it prints.
fn done(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The last line of what a command prints: the file that it made.
fn made(command: &mut Command) -> std::path::PathBuf {
    done(command).lines().last().unwrap().into()
}
