//! `logs -f`: what follows in a log.

use std::time::Duration;

use crate::error::{ErrorKind, Result};

/// How often to look.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Prints what `part` gives without a place, the end, then again and again what it gives for the place of what
/// follows, until `gone` says that nothing will.
pub(crate) fn follow(
    mut part: impl FnMut(Option<u64>) -> Result<(Vec<u8>, u64)>,
    mut gone: impl FnMut() -> Result<bool>,
    mut print: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut place = None;
    loop {
        // Asked before the last look, so that nothing is missed.
        let last = gone()?;
        loop {
            let first = place.is_none();
            let (new, next) = part(place)?;
            place = Some(next);
            print(&new)?;
            if new.is_empty() && !first {
                break;
            }
        }
        if last {
            return Ok(());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Whether asking for the state of a container failed because there is none.
pub(crate) fn is_gone<T>(state: Result<T>) -> Result<bool> {
    match state {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_printed_once_and_the_last_look_comes_after_the_end() {
        // What is there at each call, and whether the container has gone.
        let mut parts = ["ab", "c", "", "de", "", "f", ""].iter();
        let mut ends = [false, false, true].iter();
        let (mut printed, mut place) = (Vec::new(), 0);
        let part = |from: Option<u64>| {
            assert!(from.is_none_or(|from| from == place), "{from:?}");
            let new = parts.next().unwrap().as_bytes().to_vec();
            place += new.len() as u64;
            Ok((new, place))
        };
        let print = |new: &[u8]| {
            printed.extend_from_slice(new);
            Ok(())
        };
        follow(part, || Ok(*ends.next().unwrap()), print).unwrap();
        assert_eq!(printed, b"abcdef");
        assert!(parts.next().is_none() && ends.next().is_none());
    }
}
