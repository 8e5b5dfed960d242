//! A program that a test has run.

use std::process::Output;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) command: String,
    pub(crate) output: Output,
    pub(crate) log: String,
}

impl Run {
    pub(crate) fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Everything there is to know about a failed run.
    pub(crate) fn story(&self) -> String {
        format!(
            "{}\n{}\nstdout: {}\nstderr: {}\nhooks:\n{}",
            self.command,
            self.output.status,
            self.stdout(),
            self.stderr(),
            self.log
        )
    }

    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}", self.story());
        self
    }

    /// Checks that the run failed and that `text` was said, on stderr or in the hooks' log.
    pub(crate) fn fails_with(&self, text: &str) {
        assert!(!self.output.status.success(), "{}", self.story());
        assert!(
            self.stderr().contains(text) || self.log.contains(text),
            "expected: {text}\n{}",
            self.story()
        );
    }
}
