//! Sizes as people write them: `8388608`, `8M`, `64 KiB`.

use serde::{Deserialize, Deserializer, de};

/// Units, and the bytes in each. All are powers of 1024, as the tools for file systems have it.
const UNITS: [(&str, u32); 4] = [("", 0), ("k", 10), ("m", 20), ("g", 30)];

/// What is wrong with a size that cannot be read.
pub const ADVICE: &str = "write a whole number of bytes, or of K, M or G (powers of 1024)";

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl std::str::FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        parse(text).map(Self).ok_or(ADVICE)
    }
}

/// The bytes that `text` says; `None` for fractions, other units, and what no size can be.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(&unit);
    let (_, shift) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Reads a size from a settings file: a number, or a text.
///
/// # Errors
/// The value is neither.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer) {
        Ok(Written::Number(bytes)) => Ok(bytes),
        Ok(Written::Text(text)) => parse(&text).ok_or_else(|| de::Error::custom(ADVICE)),
        Err(_) => Err(de::Error::custom(ADVICE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        let cases = [
            ("8388608", Some(8_388_608)),
            ("8M", Some(8_388_608)),
            ("8m", Some(8_388_608)),
            ("8MB", Some(8_388_608)),
            ("8 MiB", Some(8_388_608)),
            ("1k", Some(1024)),
            ("2G", Some(2 << 30)),
            ("5B", Some(5)),
            ("0", Some(0)),
            ("", None),
            ("M", None),
            ("-1", None),
            ("1.5M", None),
            ("1T", None),
            ("1MM", None),
            ("1M x", None),
            ("99999999999999999999", None),
            ("18446744073709551615G", None),
            ("\u{e9}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
