//! What failed, in Dobby's words.

use crate::error::{Error, ErrorKind};

/// A failure: what Dobby prints of it, and what is behind it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The words behind `error - `.
    pub(crate) words: String,
    /// Why; the exit status follows from it.
    pub(crate) error: Error,
}

/// What a verb gives.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// A command line that is wrong.
    pub(crate) fn usage(words: impl Into<String>) -> Self {
        let words = words.into();
        Self { error: Error::new(ErrorKind::Usage, words.clone()), words }
    }

    /// A failure about a container: Dobby has words of its own for one that does not exist.
    pub(crate) fn of(id: &str, words: impl Into<String>) -> impl FnOnce(Error) -> Self {
        move |error| {
            let words = match error.kind() {
                ErrorKind::NotFound => format!("failed to find container '{id}'"),
                _ => words.into(),
            };
            Self { words, error }
        }
    }

    /// A failure about nothing in particular.
    pub(crate) fn general(words: impl Into<String>) -> impl FnOnce(Error) -> Self {
        move |error| Self { words: words.into(), error }
    }
}
