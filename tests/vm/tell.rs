//! What the run says.

use std::io::Write;

/// Prints a line.
pub(crate) fn tell(line: &str) {
    // Nobody reads it any more: there is nothing better to do than to go on to the exit code.
    let _closed = writeln!(std::io::stdout().lock(), "{line}");
}

/// What was shown, and what was not as it must be.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// How often each outcome was seen.
    outcomes: Vec<(String, u64)>,
    pub(crate) failures: Vec<String>,
    /// The longest time for which a dump had been closed that a power cut took nevertheless, in seconds.
    pub(crate) oldest_lost: f64,
}

impl Counts {
    pub(crate) fn count(&mut self, outcome: &str, times: u64) {
        match self.outcomes.iter_mut().find(|(known, _)| known == outcome) {
            Some((_, count)) => *count += times,
            None => self.outcomes.push((outcome.to_owned(), times)),
        }
    }

    /// Notes that something is wrong, and says so at once.
    pub(crate) fn fail(&mut self, what: String) {
        tell(&format!("FAILED: {what}"));
        self.failures.push(what);
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (outcome, count) in other.outcomes {
            self.count(&outcome, count);
        }
        self.failures.extend(other.failures);
        self.oldest_lost = self.oldest_lost.max(other.oldest_lost);
    }

    pub(crate) fn tell(&self, seed: u64) {
        tell("");
        let mut outcomes = self.outcomes.clone();
        outcomes.sort();
        for (outcome, count) in &outcomes {
            tell(&format!("{count:7}  {outcome}"));
        }
        tell(&format!(
            "{:7.2}  seconds for which a dump had been closed at most that a cut took",
            self.oldest_lost
        ));
        for failure in &self.failures {
            tell(&format!("FAILED: {}", failure.lines().next().unwrap_or_default()));
        }
        tell(&format!("{} failures (seed {seed})", self.failures.len()));
    }
}
