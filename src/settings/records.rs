//! Where crash records are kept, as the administrator writes it: `false`, `true`, `"file"` or `"xattr"`.

use std::fmt;

use serde::Deserialize;

/// Where crash records are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Said")]
pub enum CrashRecords {
    /// Nowhere: there are none.
    #[default]
    Off,
    /// In a file beside the dump.
    File,
    /// In an extended attribute of the dump; in a file where the file system takes none.
    Attribute,
}

impl CrashRecords {
    /// Whether there are records.
    #[must_use]
    pub fn is_on(self) -> bool {
        self != Self::Off
    }
}

impl fmt::Display for CrashRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "false",
            Self::File => "\"file\"",
            Self::Attribute => "\"xattr\"",
        })
    }
}

/// What stands in the file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "crash_records is true, false, \"file\" or \"xattr\"")]
enum Said {
    Switch(bool),
    Place(String),
}

impl TryFrom<Said> for CrashRecords {
    type Error = String;

    fn try_from(said: Said) -> Result<Self, String> {
        match said {
            Said::Switch(false) => Ok(Self::Off),
            Said::Switch(true) => Ok(Self::File),
            Said::Place(place) => match place.as_str() {
                "file" => Ok(Self::File),
                "xattr" => Ok(Self::Attribute),
                _ => Err(format!("crash_records {place:?} is not true, false, \"file\" or \"xattr\"")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_or_refused() {
        #[derive(Deserialize)]
        struct Settings {
            place: CrashRecords,
        }
        let read = |text: &str| toml::from_str::<Settings>(&format!("place = {text}")).map(|read| read.place);
        let cases = [CrashRecords::Off, CrashRecords::File, CrashRecords::Attribute]
            .map(|place| (place.to_string(), place));
        for (text, place) in cases.into_iter().chain([("true".to_owned(), CrashRecords::File)]) {
            assert_eq!(read(&text), Ok(place));
        }
        for bad in ["\"\"", "\"true\"", "\"files\"", "1", "[]", "\"XATTR\""] {
            assert!(read(bad).unwrap_err().to_string().contains("\"xattr\""), "{bad}");
        }
    }
}
