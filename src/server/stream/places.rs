//! Places for connections to the Unix socket: some are kept free for root, and a silent connection makes room for a new
//! one.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::server::limits::take_slot;
use crate::server::stream::WaitState;

/// The most connections to the Unix socket, those of the API's subscribers included.
const MAX_CONNECTIONS: usize = 256;
/// Further ones that only root and the daemon's own user may have: its command line always gets through.
const RESERVED: usize = 8;
/// How long a connection that must make room may take for that.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);

/// How many turns connections get that were accepted in the same moment, until they are known to be silent.
const SETTLE_TURNS: u32 = 32;

/// All places of one socket.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    taken: RefCell<Vec<Seat>>,
}

/// A connection that may have to make room.
#[derive(Debug)]
struct Seat {
    wait: WaitState,
    leave: Rc<Notify>,
    /// Where its place goes back to.
    places: Arc<Semaphore>,
}

fn is_trusted(uid: Option<u32>) -> bool {
    uid.is_some_and(|uid| uid == 0 || uid == rustix::process::geteuid().as_raw())
}

impl Default for Places {
    fn default() -> Self {
        let places = |size| Arc::new(Semaphore::new(size));
        Self { all: places(MAX_CONNECTIONS), reserved: places(RESERVED), taken: RefCell::default() }
    }
}

impl Places {
    /// A place for a client of this user, if one is free.
    #[must_use]
    pub fn take(&self, uid: Option<u32>) -> Option<OwnedSemaphorePermit> {
        take_slot(&self.all).or_else(|| is_trusted(uid).then(|| take_slot(&self.reserved)).flatten())
    }

    /// For a client of this user, the place of the connection that has been silent for the longest time, which is closed.
    /// `None` when none is silent: each is being answered, or is a WebSocket.
    pub async fn take_from_silent(&self, uid: Option<u32>) -> Option<OwnedSemaphorePermit> {
        let mut silent = self.longest_silent(is_trusted(uid));
        for _ in 0..SETTLE_TURNS {
            if silent.is_some() {
                break;
            }
            tokio::task::yield_now().await;
            silent = self.longest_silent(is_trusted(uid));
        }
        let Seat { leave, places, .. } = silent?;
        leave.notify_one();
        timeout(ROOM_TIMEOUT, places.acquire_owned()).await.ok()?.ok()
    }

    fn longest_silent(&self, trusted: bool) -> Option<Seat> {
        let mut taken = self.taken.borrow_mut();
        let fits = |seat: &Seat| trusted || Arc::ptr_eq(&seat.places, &self.all);
        let silent = taken.iter().enumerate().filter(|(_, seat)| fits(seat));
        let (_, at) = silent.filter_map(|(at, seat)| Some((seat.wait.silent_since()?, at))).min()?;
        Some(taken.swap_remove(at))
    }

    /// Resolves when the connection with this state, whose place is one of `places`, must make room.
    pub async fn leave(&self, wait: &WaitState, places: &Arc<Semaphore>) {
        let leave = Rc::new(Notify::new());
        let _seat = Registered { places: self, leave: Rc::clone(&leave) };
        self.taken.borrow_mut().push(Seat {
            wait: wait.clone(),
            leave: Rc::clone(&leave),
            places: Arc::clone(places),
        });
        leave.notified().await;
    }

    /// Ends when every connection has ended.
    pub async fn emptied(&self) {
        for (places, size) in [(&self.all, MAX_CONNECTIONS), (&self.reserved, RESERVED)] {
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            // Fails only for a closed semaphore, and none is closed.
            drop(Arc::clone(places).acquire_many_owned(size).await);
        }
    }
}

/// Takes a seat out of the list with the connection.
struct Registered<'a> {
    places: &'a Places,
    leave: Rc<Notify>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.places.taken.borrow_mut().retain(|seat| !Rc::ptr_eq(&seat.leave, &self.leave));
    }
}
