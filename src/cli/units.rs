//! Figures for people: sizes and times, short enough for a table.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A size in bytes, in the largest unit of which there is one.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

/// A time in milliseconds, in the largest unit of which there is one.
pub(crate) fn time(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    match units.into_iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} s"),
    }
}

/// A moment in milliseconds since 1970, as text. All have one width.
pub(crate) fn moment(milliseconds: u64) -> Option<String> {
    let seconds = OffsetDateTime::from_unix_timestamp(i64::try_from(milliseconds / 1000).ok()?).ok()?;
    let seconds = seconds.format(&Rfc3339).ok()?;
    Some(format!("{}.{:03}Z", seconds.trim_end_matches('Z'), milliseconds % 1000))
}

/// The same with nine digits of a second. The last six are not known.
pub(crate) fn wide_moment(milliseconds: u64) -> Option<String> {
    Some(format!("{}000000Z", moment(milliseconds)?.trim_end_matches('Z')))
}

/// How long ago a moment in milliseconds since 1970 was. The clock may have been set back since.
pub(crate) fn ago(milliseconds: u64) -> String {
    format!("{} ago", time(now().saturating_sub(milliseconds)))
}

/// The time in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_true() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_600_000, "1.5 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        let times =
            [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (7_200_000, "2 h"), (86_400_000 * 3, "3 d")];
        for (milliseconds, text) in times {
            assert_eq!(time(milliseconds), text);
        }
        assert_eq!(moment(1_795_305_600_123).as_deref(), Some("2026-11-22T00:00:00.123Z"));
        assert_eq!(moment(u64::MAX), None);
        for (milliseconds, end) in
            [(1_795_305_600_120, "00.120000000Z"), (1_795_305_600_000, "00.000000000Z")]
        {
            assert_eq!(wide_moment(milliseconds), Some(format!("2026-11-22T00:00:{end}")));
        }
        assert_eq!(wide_moment(u64::MAX), None);
        assert_eq!((ago(0).ends_with(" d ago"), ago(u64::MAX)), (true, "0 s ago".to_owned()));
    }
}
