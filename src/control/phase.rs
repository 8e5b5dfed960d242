//! Where a container stands between its start and its end, and which way may lead where.
//!
//! ```text
//!                 +--------------------- a start that failed --------------------+
//!                 |                                                              v
//!            Starting --> Running --> CleaningUp ------------------------------> Gone
//!                 |          |          ^   |                                     ^
//!                 |          v          |   +--> Undeletable -- another try ------+
//!                 |       Stopping -----+
//!                 |                     |
//!                 +-- found dead -------+
//! ```
//!
//! A running container may hibernate, from which a stop or its end leads on as from Running:
//!
//! ```text
//!     Running --> Hibernating --> Hibernated --> Awakening --> Running
//!        ^             |               ^              |
//!        +-- failed ---+               +--- failed ---+
//! ```
//!
//! A restart is the start of another [`Container`](crate::control::container::Container) in the place of one that is gone.

use std::sync::Arc;

use crate::control::model::state::ExitStatus;
use crate::control::process::handle::Process;

/// Where a container stands.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// The runtime starts it.
    Starting,
    /// Its program, of which this is the first process, runs or is frozen: the kernel knows which.
    Running(Arc<Process>),
    /// memcr writes the memory of its processes out.
    Hibernating(Arc<Process>),
    /// The memory of its processes is written out.
    Hibernated(Arc<Process>),
    /// memcr reads the memory of its processes back.
    Awakening(Arc<Process>),
    /// Its first process was sent a signal to end.
    Stopping(Arc<Process>),
    /// It ended; what is left of it is being removed.
    CleaningUp,
    /// It ended, and the runtime could not delete it.
    Undeletable(ExitStatus),
    /// Nothing is left of it.
    Gone(Ending),
}

/// How a container left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ran and ended.
    Ended(ExitStatus),
    /// Its start failed.
    NeverStarted,
}

impl Phase {
    /// Whether a container may go from this phase to `next`.
    pub(crate) fn may_become(&self, next: &Self) -> bool {
        use Phase::{
            Awakening, CleaningUp, Gone, Hibernated, Hibernating, Running, Starting, Stopping, Undeletable,
        };

        matches!(
            (self, next),
            (Starting, Running(_) | CleaningUp | Gone(Ending::NeverStarted))
                | (Running(_), Hibernating(_) | Hibernated(_))
                | (Hibernating(_), Hibernated(_) | Running(_))
                | (Hibernated(_), Awakening(_))
                | (Awakening(_), Running(_) | Hibernated(_))
                | (Running(_) | Hibernating(_) | Hibernated(_) | Awakening(_), Stopping(_) | CleaningUp)
                | (Stopping(_), CleaningUp)
                | (CleaningUp, Undeletable(_) | Gone(_))
                | (Undeletable(_), Gone(Ending::Ended(_)))
        )
    }

    /// The first process, as long as it has not ended.
    pub(crate) fn init(&self) -> Option<&Arc<Process>> {
        match self {
            Self::Running(init)
            | Self::Hibernating(init)
            | Self::Hibernated(init)
            | Self::Awakening(init)
            | Self::Stopping(init) => Some(init),
            _ => None,
        }
    }

    /// How it ended, once nothing more happens by itself.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match self {
            Self::Gone(ending) => Some(*ending),
            Self::Undeletable(exit) => Some(Ending::Ended(*exit)),
            _ => None,
        }
    }

    /// The name, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running(_) => "running",
            Self::Hibernating(_) => "hibernating",
            Self::Hibernated(_) => "hibernated",
            Self::Awakening(_) => "awakening",
            Self::Stopping(_) => "stopping",
            Self::CleaningUp => "cleaning up",
            Self::Undeletable(_) => "undeletable",
            Self::Gone(_) => "gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_ways_lead_on() {
        let us = Arc::new(Process::open(std::process::id().cast_signed()).unwrap());
        let exit = ExitStatus::Code(0);
        let phases = [
            Phase::Starting,
            Phase::Running(Arc::clone(&us)),
            Phase::Hibernating(Arc::clone(&us)),
            Phase::Hibernated(Arc::clone(&us)),
            Phase::Awakening(Arc::clone(&us)),
            Phase::Stopping(us),
            Phase::CleaningUp,
            Phase::Undeletable(exit),
            Phase::Gone(Ending::Ended(exit)),
            Phase::Gone(Ending::NeverStarted),
        ];
        // A row for each phase to start from, a column for each to go to.
        let allowed = [
            ". R . . . . C . . N", // starting
            ". . h H . S C . . .", // running
            ". R . H . S C . . .", // hibernating
            ". . . . A S C . . .", // hibernated
            ". R . H . S C . . .", // awakening
            ". . . . . . C . . .", // stopping
            ". . . . . . . U E N", // cleaning up
            ". . . . . . . . E .", // undeletable
            ". . . . . . . . . .", // ended
            ". . . . . . . . . .", // never started
        ];
        for (from, row) in phases.iter().zip(allowed) {
            let ways = phases.iter().map(|to| from.may_become(to));
            let expected = row.split(' ').map(|column| column != ".");
            assert!(ways.eq(expected), "from {}", from.name());
        }
    }
}
