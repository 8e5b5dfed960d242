//! The exit codes of `exec` and `run` when a command could not be run, as other container tools have them.

use crate::error::{Error, ErrorKind};

/// For another reason than the two below.
pub(crate) const NOT_RUN: u8 = 125;
/// It may not be executed.
const NOT_EXECUTABLE: u8 = 126;
/// It is not there.
const NOT_FOUND: u8 = 127;

/// The exit code for an error. What the runtimes say is all that tells why they did not run a command.
pub(crate) fn code(error: &Error) -> u8 {
    let why = error.report();
    let says = |words: &[&str]| words.iter().any(|words| why.contains(words));
    match error.kind() {
        ErrorKind::System
            if says(&["not found in $PATH", "No such file or directory", "no such file or directory"]) =>
        {
            NOT_FOUND
        }
        // The last one is what crun says of a directory.
        ErrorKind::System
            if says(&[
                "Permission denied",
                "permission denied",
                "open executable: Operation not permitted",
            ]) =>
        {
            NOT_EXECUTABLE
        }
        _ => NOT_RUN,
    }
}
