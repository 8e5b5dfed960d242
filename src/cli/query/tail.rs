//! `logs --tail`: where the last lines of a log begin.

use std::ops::Range;

use crate::error::Result;

/// How much is looked at at once, in bytes.
const CHUNK: u64 = 64 * 1024;

/// Where the last `lines` lines of a part of a log begin, never within a line; `is_whole` says whether the part's first byte
/// begins one. `read` gives what is there of some places, and the place of its first byte: what was cut off the log meanwhile
/// is missing at the beginning.
///
/// # Errors
/// Those of `read`.
pub(crate) fn begin(
    lines: usize,
    part: Range<u64>,
    is_whole: bool,
    mut read: impl FnMut(Range<u64>) -> Result<(u64, Vec<u8>)>,
) -> Result<u64> {
    let (mut left, mut first) = (lines, part.end);
    // The end of the last line begins no other one.
    let mut above = part.end.saturating_sub(1);
    while left > 0 && above > part.start {
        let from = part.start.max(above.saturating_sub(CHUNK));
        let (start, mut bytes) = read(from..above)?;
        bytes.truncate(usize::try_from(above.saturating_sub(start)).unwrap_or(usize::MAX));
        for (at, _) in bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            first = start + at as u64 + 1;
            left -= 1;
            if left == 0 {
                return Ok(first);
            }
        }
        if start > from {
            // What is the first byte now may be within a line.
            return Ok(first);
        }
        above = from;
    }
    Ok(if left > 0 && is_whole { part.start } else { first })
}

/// What is behind the end of a line whose beginning is not there; `None` when its end is not there either.
pub(crate) fn whole_lines(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    bytes.get(end + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a log has of some places, if its first byte has the place `start`.
    fn read(log: &[u8], start: u64, places: Range<u64>) -> (u64, Vec<u8>) {
        let at = |place: u64| usize::try_from(place.saturating_sub(start)).unwrap().min(log.len());
        let begin = places.start.max(start);
        let end = at(begin) + usize::try_from(places.end - places.start).unwrap();
        (begin, log[at(begin)..end.min(log.len())].to_vec())
    }

    #[test]
    fn the_last_lines_begin_where_lines_begin() {
        let long = format!("first\n{}\nlast\n", "x".repeat(300_000));
        let many: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        for (log, lines, expected) in [
            ("", 3, ""),
            ("a", 0, ""),
            ("a", 1, "a"),
            ("a\n", 1, "a\n"),
            ("a\nb", 1, "b"),
            ("a\nb\n", 1, "b\n"),
            ("a\nb\n", 2, "a\nb\n"),
            ("a\nb\n", 3, "a\nb\n"),
            ("a\n\n\n", 2, "\n\n"),
            ("\n\n", 9, "\n\n"),
            (&long, 1, "last\n"),
            (&long, 2, &long[6..]),
            (&long, 9, &long),
            (&many, 40_000, &many[many.find("line 10000\n").unwrap()..]),
        ] {
            let end = 7 + log.len() as u64;
            let begin = begin(lines, 7..end, true, |places| Ok(read(log.as_bytes(), 7, places))).unwrap();
            assert_eq!(
                &log[usize::try_from(begin - 7).unwrap()..],
                expected,
                "{lines} of {} bytes",
                log.len()
            );
        }
        let log = b"a\nbc\nd\n";
        for (from, expected) in [(0, 2), (1, 2), (2, 5), (4, 5), (5, 7), (6, 7), (7, 7)] {
            let begin = begin(9, from..7, false, |places| Ok(read(log, 0, places))).unwrap();
            assert_eq!(begin, expected, "from within a line at {from}");
        }
    }

    #[test]
    fn what_is_cut_meanwhile_leaves_whole_lines() {
        let log = b"ne\ntwo\nthree\n";
        for (lines, expected) in [(1, 7), (2, 3), (3, 3), (9, 3)] {
            let begin = begin(lines, 0..113, true, |places| Ok(read(log, 100, places))).unwrap();
            assert_eq!(begin, 100 + expected, "{lines}");
        }
        let begin = begin(9, 0..102, true, |places| Ok(read(b"ne", 100, places))).unwrap();
        assert_eq!(begin, 102, "nothing of a line whose beginning is gone");
        for (bytes, whole) in [("ne\ntwo\n", Some("two\n")), ("ne", None), ("", None), ("\n", Some(""))] {
            assert_eq!(whole_lines(bytes.as_bytes()), whole.map(str::as_bytes));
        }
    }
}
