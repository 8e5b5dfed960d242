//! Which dumps are wanted.

use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time};

/// Which dumps are wanted; the default wants all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this container only.
    pub container: Option<String>,
    /// Of programs with this file name only.
    pub program: Option<String>,
    /// Not older than this.
    pub since: Option<Moment>,
    /// Not newer than this.
    pub until: Option<Moment>,
    /// At most this many: those of the files that were written last.
    pub last: Option<usize>,
}

impl Filter {
    /// Whether dumps of this container are wanted.
    #[must_use]
    pub fn wants_container(&self, container: Option<&str>) -> bool {
        self.container.is_none() || self.container.as_deref() == container
    }

    /// Whether a dump of this time and program is wanted. One whose time is not known is of no time.
    #[must_use]
    pub fn wants(&self, time: Option<OffsetDateTime>, program: Option<&str>) -> bool {
        let after = self.since.is_none_or(|since| time.is_some_and(|time| time >= since.0));
        let before = self.until.is_none_or(|until| time.is_some_and(|time| time <= until.end()));
        after && before && (self.program.is_none() || self.program.as_deref() == program)
    }
}

/// A moment, as people write it: `2026-11-27`, `2026-11-27T10:00:00Z`, or how long ago: `90s`, `30min`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub OffsetDateTime);

impl Moment {
    /// In milliseconds since 1970; 0 before that.
    #[must_use]
    pub fn milliseconds(self) -> u64 {
        u64::try_from(self.0.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
    }

    /// The end of a whole day, or the moment itself.
    fn end(self) -> OffsetDateTime {
        let is_day = self.0.time() == Time::MIDNIGHT;
        if is_day { self.0.saturating_add(Duration::DAY - Duration::NANOSECOND) } else { self.0 }
    }
}

/// Units, and the seconds in each.
const UNITS: [(&str, i64); 5] = [("s", 1), ("min", 60), ("m", 60), ("h", 3600), ("d", 86_400)];

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, OffsetDateTime::now_utc()).map(Self).ok_or_else(|| {
            "write 2026-11-27, 2026-11-27T10:00:00Z, or how long ago, such as 30min, 2h or 7d".into()
        })
    }
}

fn parse(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    if let Some((_, seconds)) = UNITS.iter().find(|(name, _)| *name == unit) {
        let seconds = number.parse::<i64>().ok()?.checked_mul(*seconds)?;
        return now.checked_sub(Duration::seconds(seconds));
    }
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(moment);
    }
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    Some(PrimitiveDateTime::new(date, Time::MIDNIGHT).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_understood_or_refused() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_305_600).unwrap();
        let cases = [
            ("90s", Some(now.unix_timestamp() - 90)),
            ("30min", Some(now.unix_timestamp() - 1800)),
            ("30m", Some(now.unix_timestamp() - 1800)),
            ("2h", Some(now.unix_timestamp() - 7200)),
            ("7d", Some(now.unix_timestamp() - 604_800)),
            ("1970-01-02", Some(86_400)),
            ("1970-01-01T00:00:01Z", Some(1)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("", None),
            ("yesterday", None),
            ("7", None),
            ("h", None),
            ("7w", None),
            ("2026-13-01", None),
            ("2026-02-30", None),
            ("2026-1-1-1", None),
            ("-2h", None),
            ("99999999999999999999d", None),
            ("9223372036854775807d", None),
            ("\u{e9}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, now).map(OffsetDateTime::unix_timestamp), expected, "{text:?}");
        }
    }

    #[test]
    fn every_part_of_a_filter_counts() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let filter = Filter {
            container: Some("a".to_owned()),
            program: Some("app".to_owned()),
            since: at(10).map(Moment),
            until: at(20).map(Moment),
            last: None,
        };
        assert!(filter.wants_container(Some("a")) && !filter.wants_container(Some("ab")));
        assert!(!filter.wants_container(None) && Filter::default().wants_container(None));
        for (seconds, program, wanted) in
            [(10, "app", true), (20, "app", true), (9, "app", false), (21, "app", false), (15, "ap", false)]
        {
            assert_eq!(filter.wants(at(seconds), Some(program)), wanted, "{seconds} {program}");
        }
        let day = Filter { until: at(86_400).map(Moment), ..Filter::default() };
        assert!(
            day.wants(at(2 * 86_400 - 1), None) && !day.wants(at(2 * 86_400), None),
            "a day ends at its end"
        );
        assert!(!filter.wants(None, Some("app")) && Filter::default().wants(None, None));
    }
}
