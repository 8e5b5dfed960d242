//! Which times are known of a log.

use std::io::Result;

use crate::control::output::read::OpenLog;
use crate::control::output::times::entry::{self, Entry};

/// How much is searched for the end of a line, in bytes.
const MAX_SEARCH: u64 = 4 * 1024 * 1024;
/// How much is searched at once.
const CHUNK: u64 = 64 * 1024;

/// From this place of a log on, output came at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// How many bytes of the output were before it.
    pub place: u64,
    /// In milliseconds since 1970, by the clock as it was; `None` when it is not known.
    pub time: Option<u64>,
}

/// What is known of all that a log has, from its first byte on.
pub(crate) fn all(log: &OpenLog, entries: &[Entry]) -> Vec<Came> {
    let mut all: Vec<Came> = Vec::new();
    for piece in log.pieces() {
        let of_piece = entry::of_file(entries, piece.inode, piece.length);
        if piece.length > 0 && of_piece.first().is_none_or(|first| first.offset > 0) {
            all.push(Came { place: piece.place, time: None });
        }
        all.extend(of_piece.iter().map(|entry| Came { place: piece.place + entry.offset, time: entry.time }));
    }
    all.dedup_by_key(|came| came.time);
    all
}

/// What is known of the bytes from the place `start` to before `end`.
pub(crate) fn between(all: &[Came], start: u64, end: u64) -> Vec<Came> {
    let first = all.iter().rfind(|came| came.place <= start).map(|came| Came { place: start, ..*came });
    let rest = all.iter().filter(|came| came.place > start).copied();
    first.into_iter().chain(rest).filter(|came| came.place < end).collect()
}

/// The place of the first line that came at the time `since` or later, by its first byte; the end when there is none.
///
/// # Errors
/// The kernel's.
pub(crate) fn first_since(log: &OpenLog, all: &[Came], since: u64) -> Result<u64> {
    let mut left = MAX_SEARCH;
    for (at, came) in all.iter().enumerate().filter(|(_, came)| came.time >= Some(since)) {
        let end = all.get(at + 1).map_or(log.end(), |next| next.place);
        // A line begins behind the end of another: from the byte before it on.
        let mut place = came.place.saturating_sub(1);
        if came.place == log.start() {
            return Ok(came.place);
        }
        while place + 1 < end {
            if left == 0 {
                return Ok(came.place);
            }
            let part = log.part(Some(place), CHUNK.min(end - 1 - place).min(left))?.bytes;
            if let Some(found) = part.iter().position(|byte| *byte == b'\n') {
                return Ok(place + found as u64 + 1);
            }
            if part.is_empty() {
                break;
            }
            left -= part.len() as u64;
            place += part.len() as u64;
        }
    }
    Ok(log.end())
}
