//! One thing that was looked at.

use serde::Serialize;

use crate::error::Result;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it is as it should be.
    pub ok: bool,
    /// What it is about.
    pub subject: String,
    /// What would happen, or what is wrong and what to do.
    pub text: String,
}

impl Finding {
    /// Of something that was tried.
    pub fn of(subject: impl Into<String>, result: Result<String>) -> Self {
        let (ok, text) = match result {
            Ok(text) => (true, text),
            Err(error) => (false, error.report()),
        };
        Self { ok, subject: subject.into(), text }
    }

    /// Of something that is fine.
    pub fn fine(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { ok: true, subject: subject.into(), text: text.into() }
    }

    /// Of something that is wrong.
    pub fn wrong(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { ok: false, subject: subject.into(), text: text.into() }
    }
}
