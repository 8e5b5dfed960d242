//! What is told of a failure.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::life::Life;
use crate::operations::Operation;
use crate::problem::{Kind, Problem};
use crate::sight;
use crate::support::host::files_in;

/// How many of the operations before a failure are shown, and how many lines of the hooks' log.
const OPERATIONS: usize = 40;
const LINES: usize = 120;

/// Something was not as promised.
#[derive(Debug)]
pub(crate) struct Failure {
    problems: Vec<Problem>,
    /// Everything that happened, the last of it what failed.
    pub(crate) done: Vec<Operation>,
    log: String,
    state: String,
}

impl Failure {
    pub(crate) fn new(problems: Vec<Problem>, done: Vec<Operation>, life: &Life) -> Self {
        Self { problems, done, log: life.place.world.log(), state: state(life) }
    }

    /// What it is in one line.
    pub(crate) fn summary(&self) -> String {
        let first = self.problems.first().map(ToString::to_string).unwrap_or_default();
        let (count, last) = (self.done.len(), self.done.last());
        format!("operation {count}, {last:?}: {}", first.lines().next().unwrap_or_default())
    }
}

/// Does something, and takes a panic for a failure.
///
/// # Errors
/// Its own, and the panic's text.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Vec<Problem>>) -> Result<T, Vec<Problem>> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(vec![Problem::new(Kind::Test, text.unwrap_or_default())])
    })
}

/// Everything there is on the host.
fn state(life: &Life) -> String {
    let place = &life.place;
    let mut lines = vec!["records:".to_owned()];
    for record in files_in(&place.world.path("records")) {
        lines.push(format!(
            "  {}: {}",
            record.display(),
            std::fs::read_to_string(&record).unwrap_or_default()
        ));
    }
    lines.push("images:".to_owned());
    lines.extend(sight::images(place).iter().map(|(path, id)| format!("  {}: {id:?}", path.display())));
    lines.push("loop devices:".to_owned());
    lines.extend(sight::devices(place).iter().map(|device| format!("  {device:?}")));
    lines.push("dumps on the host:".to_owned());
    let dumps = sight::harvested(place);
    lines.extend(dumps.iter().map(|dump| format!("  {} {:?}", dump.path.display(), dump.mark)));
    lines.push(format!("{:#?}", life.model));
    lines.join("\n")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
        let from = self.done.len().saturating_sub(OPERATIONS);
        writeln!(f, "\nwhat happened, from operation {} on:", from + 1)?;
        self.done.iter().skip(from).try_for_each(|operation| writeln!(f, "  {operation:?}"))?;
        let lines: Vec<&str> = self.log.lines().collect();
        writeln!(f, "\nthe end of the hooks' log:")?;
        lines.iter().skip(lines.len().saturating_sub(LINES)).try_for_each(|line| writeln!(f, "  {line}"))?;
        write!(f, "\n{}", self.state)
    }
}
