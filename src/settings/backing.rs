//! What an image lies on while its container runs, as the administrator or a bundle writes it: `disk` or `memory`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an image lies on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Backing {
    /// The file that the configuration names.
    #[default]
    Disk,
    /// A file system in memory; the file that the configuration names is made only when the image cannot be harvested.
    Memory,
}

impl fmt::Display for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
        })
    }
}

impl From<Backing> for String {
    fn from(backing: Backing) -> Self {
        backing.to_string()
    }
}

impl std::str::FromStr for Backing {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        [Self::Disk, Self::Memory]
            .into_iter()
            .find(|backing| backing.to_string() == text)
            .ok_or("is neither \"disk\" nor \"memory\"")
    }
}

impl TryFrom<String> for Backing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|rule| format!("{text:?} {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written_or_refused() {
        for backing in [Backing::Disk, Backing::Memory] {
            assert_eq!(backing.to_string().parse(), Ok(backing));
            let text = serde_json::to_string(&backing).unwrap();
            assert_eq!(serde_json::from_str::<Backing>(&text).unwrap(), backing);
        }
        for bad in ["", "ram", "Memory", "disk "] {
            assert!(serde_json::from_value::<Backing>(bad.into()).is_err(), "{bad}");
        }
    }
}
