//! Crashes counted by their fingerprint: `17x my-app SIGSEGV libWPE.so+0x1234 last 2 min ago`.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::show::Stacks;
use super::symbols::Symbols;
use super::walk::Which;
use crate::command::list::entry::Entry;
use crate::error::{Result, Tried};
use crate::log::{escape, escape_json};

/// Crashes that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crashes {
    /// How many there are.
    pub count: usize,
    /// The program's file name.
    pub program: Option<String>,
    /// The signal.
    pub signal: Option<String>,
    /// The innermost call: with symbols a function, else module and offset.
    pub place: Option<String>,
    /// When the newest was: UTC, RFC 3339.
    pub last: Option<String>,
    /// The file of the newest.
    pub newest: String,
    /// Their fingerprint, if the dumps have stacks.
    pub fingerprint: Option<String>,
    #[serde(skip)]
    time: Option<OffsetDateTime>,
}

/// Counts the dumps in `entries`, most frequent first, then newest first. Files that are not dumps do not count, nor do those
/// that are gone by now; dumps whose stacks cannot be walked are the same when program, signal and place are. Symbols are read
/// once for all dumps.
#[must_use]
pub fn count(entries: &[Entry], symbols: &Symbols) -> Vec<Crashes> {
    let mut groups: BTreeMap<[Option<String>; 3], Crashes> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.error.is_none()) {
        let one = one(entry, symbols);
        if one.fingerprint.is_none() && !entry.path.exists() {
            continue;
        }
        let same = one.fingerprint.clone().or_else(|| one.place.clone());
        let group = groups.entry([one.program.clone(), one.signal.clone(), same]);
        group.and_modify(|group| group.add(&one)).or_insert(one);
    }
    let mut all: Vec<_> = groups.into_values().collect();
    all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.time.cmp(&a.time)));
    all
}

fn one(entry: &Entry, symbols: &Symbols) -> Crashes {
    let stacks = Stacks::read(&entry.path, Which::Crashed, symbols).ok();
    let crashed = stacks.as_ref().and_then(|stacks| stacks.stacks.iter().find(|thread| thread.crashed));
    let place = crashed.and_then(|thread| thread.frames.first()).map(|frame| match &frame.function {
        Some(function) => format!("{}!{function}", frame.module.as_deref().unwrap_or_default()),
        None => frame.to_string(),
    });
    Crashes {
        count: 1,
        program: entry.program.clone(),
        signal: entry.signal.clone(),
        place: place.or_else(|| entry.place.clone()),
        last: entry.time.and_then(|time| time.format(&Rfc3339).ok()),
        newest: entry.path.to_string_lossy().into_owned(),
        fingerprint: stacks.and_then(|stacks| stacks.fingerprint),
        time: entry.time,
    }
}

impl Crashes {
    fn add(&mut self, other: &Self) {
        let count = self.count.saturating_add(1);
        if other.time > self.time {
            *self = other.clone();
        }
        self.count = count;
    }

    fn line(&self, now: OffsetDateTime) -> String {
        let word = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), escape);
        let (program, signal, place) = (word(&self.program), word(&self.signal), word(&self.place));
        let last = self.time.map_or("at an unknown time".to_owned(), |time| ago(time, now));
        let unread = if self.fingerprint.is_none() { " (stack not read)" } else { "" };
        format!("{}x {program} {signal} {place}{unread} last {last}", self.count)
    }
}

/// How long ago a time was, in one unit: `2 min ago`. A clock that was set back makes it `just now`.
fn ago(time: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (now - time).whole_seconds();
    match seconds {
        ..1 => "just now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// Writes the first `limit` of `crashes` to `out`, a line for each, or as a JSON array.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(crashes: &[Crashes], limit: usize, json: bool, out: &mut impl Write) -> Result<()> {
    let crashes: Vec<_> = crashes.iter().take(limit).collect();
    let now = OffsetDateTime::now_utc();
    let written = if json {
        serde_json::to_string_pretty(&crashes)
            .map_err(std::io::Error::from)
            .and_then(|text| writeln!(out, "{}", escape_json(&text)))
    } else {
        crashes.iter().try_for_each(|crashes| writeln!(out, "{}", crashes.line(now)))
    };
    written.and_then(|()| out.flush()).tried(|| "cannot write the list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit_and_never_lie_in_the_future() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(30);
        let cases = [
            (-5, "just now"),
            (0, "just now"),
            (59, "59 s ago"),
            (120, "2 min ago"),
            (7200, "2 h ago"),
            (172_800, "2 d ago"),
        ];
        for (seconds, words) in cases {
            assert_eq!(ago(now - time::Duration::seconds(seconds), now), words);
        }
    }
}
