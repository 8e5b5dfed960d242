//! What happened, from the journal of events: it is written anyway, and this costs nothing until someone asks.

use std::collections::VecDeque;

use crate::control::events::journal::PastEvent;
use crate::control::manager::Manager;
use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::error::Result;

/// The most containers that are listed which have ended.
pub const MAX_ENDED: usize = 100;
/// The most events that come at once.
pub const MAX_EVENTS: usize = 500;

/// A container that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub id: ContainerId,
    /// The descriptor it had.
    pub descriptor: i32,
    /// How it ended; `None` when it was started and could not be kept.
    pub exit: Option<ExitStatus>,
    /// When its end was announced, in milliseconds since 1970 by the clock of that time, if that is known.
    pub time: Option<u64>,
    /// The number of that event.
    pub number: u64,
}

/// Where the events begin that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the oldest that is known.
    Oldest,
    /// Behind the event with this number.
    After(u64),
    /// With the first of this time or later, in milliseconds since 1970. All that came behind it belong to them, also when
    /// the clock was set back meanwhile.
    Time(u64),
}

/// A part of what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// The events, in the order in which they were sent.
    pub events: Vec<PastEvent>,
    /// Whether there are more behind them.
    pub more: bool,
    /// Whether some are missing behind the one with the number that was asked for, or that number was never given out.
    pub lost: bool,
}

impl Manager {
    /// The last containers that have ended, the newest first and each once; without those that are there again. As many as
    /// the journal still knows, and at most [`MAX_ENDED`].
    ///
    /// # Errors
    /// [`ErrorKind::System`](crate::error::ErrorKind::System) when the journal cannot be read.
    pub async fn ended(&self) -> Result<Vec<Ended>> {
        let ends = |past: &mut dyn Iterator<Item = PastEvent>, _next| {
            let mut ends = Ends::default();
            past.for_each(|past| ends.see(past));
            ends.0
        };
        let ended = self.ctx().bus.past(ends).await?;
        let is_there = |id: &ContainerId| self.ctx().registry.look_up(id).is_some();
        Ok(ended.into_iter().rev().filter(|ended| !is_there(&ended.id)).collect())
    }

    /// At most [`MAX_EVENTS`] of the events that are still known. All of them are behind a number that is not known.
    ///
    /// # Errors
    /// [`ErrorKind::System`](crate::error::ErrorKind::System) when the journal cannot be read.
    pub async fn past(&self, begin: Begin) -> Result<Past> {
        self.ctx().bus.past(move |past, next| Past::read(past, next, begin)).await
    }
}

impl Past {
    /// Of a journal whose next event has the number `next`.
    fn read(past: &mut dyn Iterator<Item = PastEvent>, next: u64, begin: Begin) -> Self {
        let mut found = Self::default();
        let mut begun = match begin {
            Begin::Oldest => true,
            Begin::After(number) => number >= next,
            Begin::Time(_) => false,
        };
        for past in past {
            begun |= match begin {
                Begin::Oldest => true,
                Begin::After(number) => past.number > number,
                Begin::Time(time) => past.time.is_some_and(|sent| sent >= time),
            };
            if begun && found.events.len() < MAX_EVENTS {
                found.events.push(past);
            } else {
                found.more |= begun;
            }
        }
        if let Begin::After(number) = begin {
            let first = found.events.first().map_or(next, |first| first.number);
            found.lost = number.checked_add(1) != Some(first);
        }
        found
    }
}

/// The last ends, the oldest first, each container once.
#[derive(Debug, Default)]
struct Ends(VecDeque<Ended>);

impl Ends {
    fn see(&mut self, PastEvent { number, time, event }: PastEvent) {
        let (id, descriptor, exit) = match event {
            Event::Stopped { id, descriptor, exit } => (id, descriptor, Some(exit)),
            Event::Failed { id, descriptor, .. } => (id, descriptor, None),
            _ => return,
        };
        self.0.retain(|known| known.id != id);
        if self.0.len() == MAX_ENDED {
            self.0.pop_front();
        }
        self.0.push_back(Ended { id, descriptor, exit, time, number });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_end_of_each_container_counts_and_their_number_is_bounded() {
        let mut ends = Ends::default();
        for number in 0..1000 {
            let id: ContainerId = format!("c{}", number % 150).parse().unwrap();
            let event = match number % 3 {
                0 => Event::Failed { id, descriptor: 1, error_code: 1 },
                _ => Event::Stopped { id, descriptor: 1, exit: ExitStatus::Code(3) },
            };
            ends.see(PastEvent { number, time: Some(number), event });
        }
        assert_eq!(ends.0.len(), MAX_ENDED);
        assert_eq!((ends.0[0].number, ends.0[99].number), (900, 999));
        assert!(ends.0.iter().all(|ended| ended.exit.is_none() == (ended.number % 3 == 0)));
    }
}
