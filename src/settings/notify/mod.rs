//! `[notify]`: what happens after a dump was published.

mod exec;
mod webhook;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::settings::burst::{UNITS, seconds};
use crate::settings::entry::absolute;

pub use exec::{Exec, Values};
pub use webhook::Webhook;

/// The longest deadline of a run, in seconds.
const MAX_DEADLINE: u64 = 3600;
/// The most runs for one dump.
const MAX_ATTEMPTS: u32 = 1000;

/// What happens after a dump was published. Nothing, when nothing of it is set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// The program that is run for each published dump, by its absolute path, with its arguments and without a shell. In the
    /// arguments, `{path}` is the dump, `{record}` its crash record or nothing, `{container}` the container's id, `{name}`
    /// what the engine calls the container; `{{` and `}}` are braces.
    pub exec: Option<Exec>,
    /// Where what is known of each published dump is posted as JSON: `http://127.0.0.1:PORT/PATH`, or `unix:SOCKET`.
    pub webhook: Option<Webhook>,
    /// A file with counts of crashes for Prometheus, in the form that the textfile collector of its node exporter reads.
    #[serde(deserialize_with = "file")]
    pub metrics: Option<PathBuf>,
    /// How long the program, or the answer to a post, may take: `30s`, `5min`, at most `1h`.
    #[serde(deserialize_with = "deadline")]
    pub deadline: Span,
    /// How often one dump is handed over without success before it is given up, at most 1000 times.
    #[serde(deserialize_with = "attempts")]
    pub attempts: u32,
    /// How long it is tried, at least three times: `12h`, `7d`.
    pub keep: Span,
    /// How long the first pause between two attempts is; each is twice as long as the one before, and an hour at most.
    pub retry: Span,
}

impl Notify {
    /// Whether a published dump is to be handed over or counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.exec.is_some() || self.webhook.is_some() || self.metrics.is_some()
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            exec: None,
            webhook: None,
            metrics: None,
            deadline: Span { seconds: 60 },
            attempts: 200,
            keep: Span { seconds: 7 * 86_400 },
            retry: Span { seconds: 30 },
        }
    }
}

/// A time as people write it: `30s`, `5min`, `12h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    /// How many seconds it has.
    pub seconds: u64,
}

impl Span {
    /// The same for the clock of the system.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let seconds = seconds(&text);
        let wrong = || format!("{text:?} is not a time: write 30s, 5min, 12h or 7d, at most 366d");
        seconds.map(|seconds| Self { seconds }).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |(_, factor): &&(&str, u64)| self.seconds.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().rev().find(divides).unwrap_or(&("s", 1));
        write!(f, "{}{unit}", self.seconds / factor)
    }
}

fn file<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(deserializer)?;
    absolute(&text).map(Some).map_err(|rule| de::Error::custom(format!("metrics {text:?} {rule}")))
}

fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let deadline = Span::deserialize(deserializer)?;
    if (1..=MAX_DEADLINE).contains(&deadline.seconds) {
        return Ok(deadline);
    }
    Err(de::Error::custom(format!("deadline {deadline} is not a time from 1s to 1h")))
}

fn attempts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let attempts = u32::deserialize(deserializer)?;
    if (1..=MAX_ATTEMPTS).contains(&attempts) {
        return Ok(attempts);
    }
    Err(de::Error::custom(format!("attempts {attempts} is not a number from 1 to {MAX_ATTEMPTS}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Notify, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_setting_is_read_and_mistakes_are_refused() {
        let all = "exec = [\"/bin/up\", \"--dump={path}\"]\nwebhook = \"http://127.0.0.1:80/x\"\n\
                   metrics = \"/var/x.prom\"\ndeadline = \"5min\"\nattempts = 3\nkeep = \"2d\"\nretry = \"0s\"";
        let notify = parse(all).unwrap();
        assert!(notify.is_on() && notify.attempts == 3 && notify.keep.seconds == 172_800);
        assert_eq!((notify.deadline.duration(), notify.retry.seconds), (Duration::from_secs(300), 0));
        assert_eq!(parse("").unwrap(), Notify::default());
        for text in ["45s", "1min", "90min", "12h", "7d"] {
            assert_eq!(Span::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        assert!(!Notify::default().is_on());
        let bad = [
            "exec = \"/bin/up\"",
            "metrics = \"x.prom\"",
            "metrics = \"/\"",
            "deadline = 60",
            "deadline = \"60\"",
            "deadline = \"0s\"",
            "deadline = \"3601s\"",
            "keep = \"400d\"",
            "retry = \"-1s\"",
            "attempts = 0",
            "attempts = 1001",
            "nonsense = 1",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
