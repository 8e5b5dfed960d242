//! `logs -f`: what follows in a log.

use std::time::Duration;

use crate::error::{ErrorKind, Result};

/// How long to wait before the next look: after output, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(8), Duration::from_millis(250));

/// Prints what `part` gives for `place`, then again and again what it gives for the place of what follows, until `gone` says
/// that nothing will. No place is the end of the log.
///
/// A log is cut when it is full. What was cut before it was read is warned of.
pub(crate) fn follow(
    mut place: Option<u64>,
    mut part: impl FnMut(Option<u64>) -> Result<(Vec<u8>, u64)>,
    mut gone: impl FnMut() -> Result<bool>,
    mut print: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (mut lost, mut wait) = (0_u64, WAIT.1);
    loop {
        // Asked before the last look, so that nothing is missed.
        let last = gone()?;
        loop {
            let first = place.is_none();
            let (new, next) = part(place)?;
            let cut = place.map_or(0, |place| next.saturating_sub(place).saturating_sub(new.len() as u64));
            if cut > 0 && lost == 0 {
                log::warn!(
                    "output was cut off the log before it was read here: it comes faster than it is taken"
                );
            }
            lost += cut;
            // A log that is taken away has nothing at its place until more is written.
            place = Some(next.max(place.unwrap_or_default()));
            print(&new)?;
            if new.is_empty() && !first {
                break;
            }
            wait = WAIT.0;
        }
        if last {
            if lost > 0 {
                log::warn!("{lost} bytes of output are missing here");
            }
            return Ok(());
        }
        std::thread::sleep(wait);
        wait = WAIT.1.min(wait * 2);
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
        follow(None, part, || Ok(*ends.next().unwrap()), print).unwrap();
        assert_eq!(printed, b"abcdef");
        assert!(parts.next().is_none() && ends.next().is_none());
    }
}
