//! The event bus: sends events to subscribers, each with a number.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::control::events::journal::{Journal, PastEvent, Since};
use crate::control::events::replay::Replay;
use crate::control::model::event::{Event, Origin};
use crate::control::model::id::ContainerId;
use crate::control::model::state::{ExitStatus, State};
use crate::control::tasks::in_thread;
use crate::error::{self, Tried};

/// How many events a slow subscriber may lag behind.
const MAX_LAG: usize = 1024;

/// An event with its number among all events since the machine booted.
#[derive(Debug, Clone)]
struct Numbered {
    number: u64,
    event: Event,
}

/// Sends events to all subscribers, if there are any.
#[derive(Debug)]
pub(crate) struct EventBus {
    sender: broadcast::Sender<Numbered>,
    sent: Mutex<Sent>,
    /// Held by the one that reads the journal: many clients may ask at once.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Sent {
    journal: Journal,
    replay: Replay,
}

/// All events from the moment of the subscription on. A slow subscriber loses the oldest ones, and is notified of that.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Numbered>,
    /// The number of the next event to receive.
    next: u64,
}

impl EventBus {
    /// With the journal in the state directory.
    pub(crate) fn new(state_dir: PathBuf) -> Self {
        let sent = Sent { journal: Journal::open(state_dir), replay: Replay::new() };
        Self { sender: broadcast::Sender::new(MAX_LAG), sent: Mutex::new(sent), reading: Default::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event of a container that was started by `origin`, at the time `attempt`.
    pub(crate) fn send(&self, origin: Origin, attempt: u64, event: Event) {
        let mut sent = self.lock();
        let number = sent.journal.add(attempt, &event);
        sent.replay.note(origin, number, &event);
        // Fails only without subscribers. Under the lock, so that numbers arrive in order.
        let _no_subscribers = self.sender.send(Numbered { number, event });
    }

    /// Sends an event that an earlier daemon may have sent. If it did, it keeps its number, and is only retained for clients
    /// that come back without saying what they saw.
    pub(crate) fn send_again(&self, attempt: u64, event: Event) {
        let mut sent = self.lock();
        match sent.journal.sent_earlier(attempt, &event) {
            Some(number) => sent.replay.note(Origin::EarlierDaemon, number, &event),
            None => {
                drop(sent);
                self.send(Origin::EarlierDaemon, attempt, event);
            }
        }
    }

    /// The last state that an earlier daemon has announced of a container, in this attempt to run it; known for as long as
    /// events are sent again.
    pub(crate) fn last_state(&self, attempt: u64, id: &ContainerId) -> Option<State> {
        self.lock().journal.last_state(attempt, id)
    }

    /// From now on no event is sent again.
    pub(crate) fn all_sent_again(&self) {
        self.lock().journal.forget_earlier();
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        let sent = self.lock();
        Subscription { receiver: self.sender.subscribe(), next: sent.journal.next() }
    }

    /// Retained events that `subscription` has received or was too late for, with their numbers.
    pub(crate) fn replay(&self, subscription: &Subscription) -> Vec<(u64, Event)> {
        self.lock().replay.before(subscription.next)
    }

    /// Has `see` go through all events that are still known, in the order in which they were sent, and gives what it found. It
    /// also gets the number of the event that comes behind them. The journal is long: that happens in a thread of its own,
    /// without a lock, for one client after the other.
    ///
    /// # Errors
    /// [`ErrorKind::System`] when `see` failed.
    pub(crate) async fn past<T, F>(&self, see: F) -> error::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Iterator<Item = PastEvent>, u64) -> T + Send + 'static,
    {
        let _reading = self.reading.lock().await;
        let (mut past, next) = {
            let sent = self.lock();
            (sent.journal.past(), sent.journal.next())
        };
        in_thread(move || see(&mut past, next)).await.tried(|| "cannot read the journal of events")
    }

    /// How the last container of this id ended, if its end is still known.
    pub(crate) async fn last_end(&self, id: &ContainerId) -> Option<ExitStatus> {
        let id = id.clone();
        let end = move |past: PastEvent| match past.event {
            Event::Stopped { id: ended, exit, .. } if ended == id => Some(exit),
            _ => None,
        };
        self.past(|past, _next| past.filter_map(end).last()).await.ok().flatten()
    }

    /// The events between the one with this number and the next that `subscription` receives. None, and not all, if they
    /// cannot be read.
    pub(crate) async fn since(&self, number: u64, subscription: &Subscription) -> Since {
        let end = subscription.next;
        let read = self.past(move |past, next| Since::read(past, number, next)).await;
        let mut since = read.unwrap_or_default();
        since.events.retain(|(number, _)| *number < end);
        since
    }
}

impl Subscription {
    /// Waits for the next event. May be cancelled: no event is lost then.
    ///
    /// # Errors
    /// [`RecvError::Lagged`] when events were lost, [`RecvError::Closed`] when the daemon has ended.
    pub async fn recv(&mut self) -> Result<Event, RecvError> {
        match self.receiver.recv().await {
            Ok(numbered) => Ok(self.take(numbered)),
            Err(RecvError::Lagged(lost)) => {
                self.next += lost;
                Err(RecvError::Lagged(lost))
            }
            Err(RecvError::Closed) => Err(RecvError::Closed),
        }
    }

    /// The next event, if there is one already.
    ///
    /// # Errors
    /// As [`Subscription::recv`], and [`TryRecvError::Empty`].
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        match self.receiver.try_recv() {
            Ok(numbered) => Ok(self.take(numbered)),
            Err(TryRecvError::Lagged(lost)) => {
                self.next += lost;
                Err(TryRecvError::Lagged(lost))
            }
            Err(error) => Err(error),
        }
    }

    /// The number of the event that was received last.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    fn take(&mut self, Numbered { number, event }: Numbered) -> Event {
        self.next = number + 1;
        event
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn events_are_sent_while_a_client_has_the_journal_read() {
        let dir = tempfile::tempdir().unwrap();
        let bus = EventBus::new(dir.path().to_owned());
        let event = Event::Stopped { id: "a".parse().unwrap(), descriptor: 1, exit: ExitStatus::Code(3) };
        bus.send(Origin::ThisDaemon, 7, event.clone());
        let first = bus.lock().journal.next() - 1;
        let (sent, waited) = mpsc::channel();
        let read = bus.past(move |past, next| {
            waited.recv().unwrap();
            (past.map(|past| past.number).collect::<Vec<_>>(), next)
        });
        let others = async {
            let mut subscription = bus.subscribe();
            bus.send(Origin::ThisDaemon, 7, event.clone());
            assert_eq!(subscription.recv().await, Ok(event.clone()));
            sent.send(()).unwrap();
            first + 1
        };
        let (read, last) = tokio::join!(read, others);
        let (numbers, next) = read.unwrap();
        assert_eq!(next, first + 1);
        assert!(numbers == [first] || numbers == [first, last], "{numbers:?}");
        let since = bus.since(first, &bus.subscribe()).await;
        assert_eq!(since, Since { events: vec![(last, event)], complete: true });
    }
}
