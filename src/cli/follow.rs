//! `logs -f`: what is new in a log of which only the end can be seen.

use std::time::Duration;

use crate::error::{ErrorKind, Result};

/// How often to look: as often as the daemon cuts logs.
const PACE: Duration = Duration::from_millis(250);

/// Prints what `tail` gives, then again and again what is new in it, until `gone` says that nothing will be.
pub(super) fn follow(
    mut tail: impl FnMut() -> Result<Vec<u8>>,
    mut gone: impl FnMut() -> Result<bool>,
    mut print: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut seen = Vec::new();
    loop {
        // Asked before the last look, so that nothing is missed.
        let last = gone()?;
        let now = tail()?;
        print(fresh(&seen, &now))?;
        seen = now;
        if last {
            return Ok(());
        }
        std::thread::sleep(PACE);
    }
}

/// Whether asking for the state of a container failed because there is none.
pub(super) fn is_gone<T>(state: Result<T>) -> Result<bool> {
    match state {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// The part of `now` that follows `seen`: `now` begins with some end of `seen`, the longest that fits.
fn fresh<'a>(seen: &[u8], now: &'a [u8]) -> &'a [u8] {
    let overlap = (0..=seen.len()).find(|&start| now.starts_with(&seen[start..]));
    &now[seen.len() - overlap.unwrap_or(seen.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_printed() {
        let cases: [(&str, &str, &str); 6] = [
            ("", "abc", "abc"),
            ("abc", "abc", ""),
            ("abc", "abcd", "d"),
            ("abcd", "cdef", "ef"),
            ("abcd", "xyz", "xyz"),
            ("abcd", "", ""),
        ];
        for (seen, now, new) in cases {
            assert_eq!(fresh(seen.as_bytes(), now.as_bytes()), new.as_bytes(), "{seen} {now}");
        }
    }
}
