//! Permission bits of files that are made.

use serde::Deserialize;

/// Permission bits given as an octal text such as `"0640"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode & !0o664 == 0 && mode & 0o400 != 0 => Ok(Self(mode)),
            _ => Err(format!("{text:?} is not an octal mode between 0400 and 0664 without execute bits")),
        }
    }
}
