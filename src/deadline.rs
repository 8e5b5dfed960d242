//! How long something may take. A container's start must never wait for us without a bound, whatever its image holds.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// The moment by which something must have ended, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No bound: a person waits, and can give up.
    pub const NONE: Self = Self(None);

    /// In that time from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    /// The time that is left, at most `most`.
    #[must_use]
    pub fn left(self, most: Duration) -> Duration {
        self.0.map_or(most, |end| end.saturating_duration_since(Instant::now()).min(most))
    }

    /// Whether no time is left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }

    /// Checks that there is time left.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`], saying that `what` took too long.
    pub fn check(self, what: &str) -> Result<()> {
        if !self.has_passed() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Timeout, format!("{what} takes too long"))
            .advise("'oci-minidump-hook sweep' takes the time that it needs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_deadline_ends() {
        assert!(
            Deadline::NONE.check("x").is_ok() && Deadline::after(Duration::from_secs(100)).check("x").is_ok()
        );
        let error = Deadline::after(Duration::ZERO).check("reading").unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Timeout, "reading takes too long")
        );
        assert_eq!(Deadline::after(Duration::ZERO).left(Duration::from_secs(1)), Duration::ZERO);
        assert_eq!(Deadline::NONE.left(Duration::from_secs(1)), Duration::from_secs(1));
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NONE);
    }
}
