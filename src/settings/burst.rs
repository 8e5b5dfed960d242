//! How many crashes in how much time, as people write it: `5/10min`.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// The most crashes of a burst: their times are kept in one small file.
const MAX_COUNT: u64 = 1000;
/// The longest time of a burst, in seconds: a year.
const MAX_SECONDS: u64 = 366 * 86_400;
/// Units, and the seconds in each.
pub(super) const UNITS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)];

/// So many dumps of a container are kept of the crashes in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Burst {
    /// How many: the first ones and the newest; at least 2.
    pub count: u64,
    /// The time, in seconds.
    pub seconds: u64,
}

impl Burst {
    /// What holds for the kernel's core files when the administrator says nothing.
    pub const OF_CORES: Self = Self { count: 5, seconds: 60 };
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "burst {text:?} is not a count and a time: write 5/10min, with 2 to {MAX_COUNT} dumps and s, min, h or d"
            )
        };
        parse(text).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Burst {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.count, self.seconds)
    }
}

fn parse(text: &str) -> Option<Burst> {
    let (count, time) = text.split_once('/')?;
    let seconds = seconds(time).filter(|seconds| *seconds > 0)?;
    let count = count.parse().ok().filter(|count| (2..=MAX_COUNT).contains(count))?;
    Some(Burst { count, seconds })
}

/// The seconds of a time such as `10min`, a year at most.
pub(super) fn seconds(time: &str) -> Option<u64> {
    let (number, unit) = time.split_at_checked(time.find(|c: char| !c.is_ascii_digit())?)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor).filter(|seconds| *seconds <= MAX_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_read_or_refused() {
        for (text, count, seconds) in
            [("5/10min", 5, 600), ("2/1s", 2, 1), ("1000/7d", 1000, 604_800), ("3/2h", 3, 7200)]
        {
            let burst: Burst = text.parse().unwrap();
            assert_eq!(burst, Burst { count, seconds });
            assert_eq!(burst.to_string().parse(), Ok(burst));
        }
        let bad =
            ["", "5", "5/", "/10min", "5/10", "5/min", "1/10min", "0/1s", "1001/1s", "5/0s", "5/10 min"];
        let more = ["-5/1s", "5/-1s", "5/400d", "5/18446744073709551615d", "5/1min/1", "5/1m\u{e9}"];
        for text in bad.into_iter().chain(more) {
            assert!(text.parse::<Burst>().is_err(), "{text:?}");
        }
    }
}
