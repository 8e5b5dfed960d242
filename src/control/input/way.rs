//! The way to the input of one container, and who has it.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, ErrorKind, Result};

/// The most clients that are attached to a container at a time.
pub(crate) const MAX_ATTACHED: usize = 8;

/// The way to the input of one run of a container, and its clients, which stay over restarts.
#[derive(Debug, Default)]
pub(crate) struct InputWay {
    /// Its terminal, or the writing end of a pipe, if it is known here.
    way: Mutex<Option<OwnedFd>>,
    seats: Arc<Seats>,
}

/// Places for clients: that of the input is taken by no client that only looks.
#[derive(Debug)]
struct Seats {
    input: Arc<Semaphore>,
    lookers: Arc<Semaphore>,
}

impl Default for Seats {
    fn default() -> Self {
        Self { input: Arc::new(Semaphore::new(1)), lookers: Arc::new(Semaphore::new(MAX_ATTACHED - 1)) }
    }
}

/// The place of a client, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _place: OwnedSemaphorePermit,
}

impl InputWay {
    /// For the next run of the container.
    pub(crate) fn next(&self) -> Self {
        Self { way: Mutex::default(), seats: Arc::clone(&self.seats) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way is known now, or there is none any more.
    pub(crate) fn set(&self, way: Option<OwnedFd>) {
        *self.lock() = way;
    }

    /// The way, if it is known.
    pub(crate) fn get(&self) -> Option<OwnedFd> {
        self.lock().as_ref().and_then(|way| way.try_clone().ok())
    }

    /// A place for a client, which has the input unless it only looks.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`].
    pub(crate) fn sit_down(&self, only_looks: bool) -> Result<Seat> {
        let places = if only_looks { &self.seats.lookers } else { &self.seats.input };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| match only_looks {
            true => {
                let what = format!("{} clients look on at the container already", MAX_ATTACHED - 1);
                Error::new(ErrorKind::Busy, what).advise("end one of them first")
            }
            false => Error::new(ErrorKind::Busy, "another client has the input of the container")
                .advise("detach that one first, or attach for the output only (--no-stdin)"),
        })?;
        Ok(Seat { _place: place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_the_input_and_a_few_look_on() {
        let first = InputWay::default();
        let seat = first.sit_down(false).unwrap();
        let next = first.next();
        assert_eq!(next.sit_down(false).unwrap_err().kind(), ErrorKind::Busy, "also after a restart");
        let others: Vec<_> = (1..MAX_ATTACHED).map(|_| next.sit_down(true).unwrap()).collect();
        assert_eq!(next.sit_down(true).unwrap_err().kind(), ErrorKind::Busy);
        drop(seat);
        let seat = first.sit_down(false).unwrap();
        assert!(next.sit_down(true).is_err());
        drop((seat, others));
        assert!(next.sit_down(false).is_ok());
    }
}
