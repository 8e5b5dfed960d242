//! What may be wrong.

use std::fmt;

/// What kind of promise is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A dump that was acknowledged is lost, or will be: its image has no name any more.
    Lost,
    /// A dump is on the host more than once, or not whole.
    Spoilt,
    /// A dump or an image is given to another container, or goes to another destination.
    Owner,
    /// A container does not start, or starts, against what was promised.
    Start,
    /// A command fails.
    Command,
    /// Something is left in the end.
    Left,
    /// The test itself cannot go on.
    Test,
}

/// Something that is not as promised.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) what: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, what: String) -> Self {
        Self { kind, what }
    }

    /// Whether `MODEL_OVERLOOK` names its kind: to see what is behind a problem that is known.
    pub(crate) fn is_overlooked(&self) -> bool {
        let overlooked = std::env::var("MODEL_OVERLOOK").unwrap_or_default();
        overlooked.split_whitespace().any(|word| word.eq_ignore_ascii_case(&format!("{:?}", self.kind)))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}
