//! The event bus: sends events to subscribers, each with a number.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::control::events::replay::Replay;
use crate::control::model::event::{Event, Origin};

/// How many events a slow subscriber may lag behind.
const MAX_LAG: usize = 1024;

/// An event with its number among all events of this daemon.
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
}

#[derive(Debug)]
struct Sent {
    /// The number of the next event.
    next: u64,
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
    pub(crate) fn new() -> Self {
        let sent = Sent { next: 0, replay: Replay::new() };
        Self { sender: broadcast::Sender::new(MAX_LAG), sent: Mutex::new(sent) }
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event of a container that was started by `origin`.
    pub(crate) fn send(&self, origin: Origin, event: Event) {
        let mut sent = self.lock();
        let number = sent.next;
        sent.next += 1;
        sent.replay.note(origin, number, &event);
        // Fails only without subscribers. Under the lock, so that numbers arrive in order.
        let _no_subscribers = self.sender.send(Numbered { number, event });
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        let sent = self.lock();
        Subscription { receiver: self.sender.subscribe(), next: sent.next }
    }

    /// Retained events that `subscription` has received or was too late for.
    pub(crate) fn replay(&self, subscription: &Subscription) -> Vec<Event> {
        self.lock().replay.before(subscription.next)
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

    fn take(&mut self, Numbered { number, event }: Numbered) -> Event {
        self.next = number + 1;
        event
    }
}
