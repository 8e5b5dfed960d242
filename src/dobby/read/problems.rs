//! The mistakes of a spec, all together.

use std::cell::RefCell;
use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// How many mistakes are kept; of the others only the number.
const MAX_SHOWN: usize = 50;

/// One mistake: `cpu.shares: 101 is out of range 1..100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the spec, as in `mounts[2].source`; empty for the spec as a whole.
    pub field: String,
    /// The value there as JSON, escaped and cut; `None` when there is none.
    pub value: Option<String>,
    /// The rule that the value breaks.
    pub rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "the whole" } else { &self.field };
        match &self.value {
            Some(value) => write!(f, "{field}: {value} {}", self.rule),
            None => write!(f, "{field}: {}", self.rule),
        }
    }
}

/// Every mistake of a spec, at least one. It is the cause of the [`Error`] that refuses a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The first mistakes, in the order of the checks.
    pub list: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        if self.more > 0 { write!(f, "; and {} more mistakes", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for Problems {}

/// What the checks of one spec find: mistakes, and warnings for whatever is legal but odd.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: RefCell<Vec<Problem>>,
    more: RefCell<usize>,
    warnings: RefCell<Vec<String>>,
}

impl Findings {
    /// Notes a mistake.
    pub(crate) fn wrong(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_SHOWN {
            problems.push(problem);
        } else {
            *self.more.borrow_mut() += 1;
        }
    }

    /// Notes something odd.
    pub(crate) fn warn(&self, warning: String) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < MAX_SHOWN {
            warnings.push(warning);
        }
    }

    /// The warnings, if there was no mistake.
    ///
    /// # Errors
    /// An error of `kind` that says `what`, with the [`Problems`] as its cause.
    pub(crate) fn into_result(self, kind: ErrorKind, what: &str) -> Result<Vec<String>> {
        let (list, more) = (self.problems.into_inner(), self.more.into_inner());
        if list.is_empty() {
            return Ok(self.warnings.into_inner());
        }
        Err(Error::new(kind, what).caused_by(Problems { list, more }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_come_together_and_their_number_is_bounded() {
        let problem = |n: usize| Problem {
            field: format!("args[{n}]"),
            value: Some(n.to_string()),
            rule: "is not a string".to_owned(),
        };
        let findings = Findings::default();
        (0..2).for_each(|n| findings.wrong(problem(n)));
        let report = findings.into_result(ErrorKind::Input, "refused").unwrap_err().report();
        assert_eq!(report, "refused: args[0]: 0 is not a string; args[1]: 1 is not a string");
        let findings = Findings::default();
        (0..1000).for_each(|n| findings.wrong(problem(n)));
        let report = findings.into_result(ErrorKind::Input, "refused").unwrap_err().report();
        assert!(report.ends_with("args[49]: 49 is not a string; and 950 more mistakes"), "{report}");
        assert!(Findings::default().into_result(ErrorKind::Input, "").unwrap().is_empty());
    }
}
