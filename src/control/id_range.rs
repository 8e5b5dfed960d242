//! User or group ids that an administrator names: one, or a range.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Ids from one to another, both included. Root is never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "Written")]
pub struct IdRange {
    first: u32,
    last: u32,
}

/// As it stands in a settings file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(u32),
    Text(String),
}

impl IdRange {
    /// Whether `id` is one of them.
    #[must_use]
    pub fn contains(self, id: u32) -> bool {
        (self.first..=self.last).contains(&id)
    }

    fn new(first: u32, last: u32) -> Result<Self, String> {
        // The kernel's number for "no id" is not one either (user_namespaces(7)).
        if first == 0 || last < first || last == u32::MAX {
            return Err(format!("{first}-{last} is not a range of ids without root, as in 30000-30999"));
        }
        Ok(Self { first, last })
    }
}

impl FromStr for IdRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => Self::new(first, last),
            _ => Err(format!("{text:?} is neither an id nor a range of ids, as in 30000-30999")),
        }
    }
}

impl TryFrom<Written> for IdRange {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::One(id) => Self::new(id, id),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<IdRange> for String {
    fn from(range: IdRange) -> Self {
        range.to_string()
    }
}

impl Display for IdRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_or_a_range_but_never_root() {
        let range: IdRange = "30000-30009".parse().unwrap();
        assert!(range.contains(30_000) && range.contains(30_009));
        assert!(!range.contains(29_999) && !range.contains(30_010));
        assert_eq!("7".parse::<IdRange>().unwrap().to_string(), "7");
        for bad in
            ["", "0", "0-5", "9-8", "-1", "1-", "a", "1-2-3", " 1", "+1-x", "4294967295", "1-4294967295"]
        {
            assert!(bad.parse::<IdRange>().is_err(), "{bad}");
        }
    }
}
