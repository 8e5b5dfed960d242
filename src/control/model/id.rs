//! Container ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The longest id, in bytes.
const MAX_LENGTH: usize = 128;

/// A valid container id: 1 to 128 of `A-Z a-z 0-9 . _ -`, at least one letter, no `..`, no leading `-` or `.`.
///
/// Such an id is safe as a file name and as an argument of a runtime. Dobby's rule is the same but for the leading
/// `-`, which a runtime would take for an option, and the leading `.`, which crun refuses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let complaint = if text.is_empty() {
            "it is empty"
        } else if text.len() > MAX_LENGTH {
            "it is longer than 128 characters"
        } else if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            "only letters, digits, '.', '_' and '-' are allowed"
        } else if !text.bytes().any(|b| b.is_ascii_alphabetic()) {
            "it has no letter"
        } else if text.contains("..") {
            "it contains '..'"
        } else if text.starts_with('-') {
            "it begins with '-'"
        } else if text.starts_with('.') {
            "it begins with '.'"
        } else {
            return Ok(Self(text.to_owned()));
        };
        let shown: String = text.chars().take(MAX_LENGTH).collect();
        Err(Error::new(ErrorKind::Input, format!("invalid container id {shown:?}: {complaint}")))
    }
}

impl TryFrom<String> for ContainerId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ContainerId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_everywhere_is_an_id() {
        let long = "a".repeat(129);
        let cases = [
            ("a", true),
            ("a.123", true),
            ("x.hidden_x-1", true),
            (".a", false),
            (&long[..128], true),
            (&long, false),
            ("", false),
            ("123", false),
            ("a..123", false),
            (".", false),
            ("../x", false),
            ("--root=/x", false),
            ("-x", false),
            ("a b", false),
            ("a\n", false),
            ("zażółć", false),
        ];
        for (text, valid) in cases {
            assert_eq!(text.parse::<ContainerId>().is_ok(), valid, "{text:?}");
        }
    }
}
