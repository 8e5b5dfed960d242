//! What all calls share.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use zbus::Message;

use crate::control::Manager;
use crate::dbus::caller::Allowed;

/// The most calls that may be under way at once.
const MAX_CALLS: u32 = 256;

/// The most of them that may have brought descriptors, of which a call has up to 16: they are refused, but must not use
/// up the daemon's own in the meantime.
const MAX_WITH_FILES: usize = 4;
/// The most refusals that may wait for the bus; further calls get no answer.
const MAX_REFUSALS: usize = 64;
/// The longest arguments of a call, in bytes; the daemon's other API takes as much.
const MAX_ARGUMENTS: usize = 1024 * 1024;

/// The parts that answer calls.
pub struct Face {
    pub(crate) manager: Manager,
    pub(crate) allowed: Allowed,
    calls: Arc<Semaphore>,
    with_files: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    shutdown: Notify,
    warn: Box<dyn Fn(&str)>,
    explained: RefCell<String>,
}

/// The right to a place among the calls that are under way.
#[derive(Debug)]
pub(crate) struct Slot {
    _call: OwnedSemaphorePermit,
    _files: Option<OwnedSemaphorePermit>,
}

impl Face {
    /// Answers for the containers of `manager`, to those who are `allowed`. `warn` logs what a client could repeat at will.
    #[must_use]
    pub fn new(manager: Manager, allowed: Allowed, warn: Box<dyn Fn(&str)>) -> Self {
        let slots = |size| Arc::new(Semaphore::new(size));
        Self {
            manager,
            allowed,
            calls: slots(MAX_CALLS as usize),
            with_files: slots(MAX_WITH_FILES),
            refusals: slots(MAX_REFUSALS),
            shutdown: Notify::new(),
            warn,
            explained: RefCell::default(),
        }
    }

    /// A place for a call, held until it is answered: the daemon does not end before.
    ///
    /// # Errors
    /// Why the call is refused.
    pub(crate) fn take_slot(&self, call: &Message) -> Result<Slot, &'static str> {
        if call.body().len() > MAX_ARGUMENTS {
            return Err("the arguments are longer than 1 MiB");
        }
        let too_many = |_| "too many calls are under way";
        let has_files = call.header().unix_fds().is_some_and(|count| count > 0);
        let files = has_files.then(|| Arc::clone(&self.with_files).try_acquire_owned());
        let files = files.transpose().map_err(too_many)?;
        let slot = Arc::clone(&self.calls).try_acquire_owned().map_err(too_many)?;
        Ok(Slot { _call: slot, _files: files })
    }

    /// A place for the answer to a call that was refused, if there is one.
    pub(crate) fn take_refusal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }

    /// Logs what any client could repeat at will.
    pub(crate) fn warn(&self, message: &str) {
        (self.warn)(message);
    }

    /// Logs why the call of a client that may call failed: its answer has no place for a reason. What a client asks again
    /// and again is not explained each time.
    pub(crate) fn explain(&self, message: String) {
        if *self.explained.borrow() == message {
            return self.warn(&message);
        }
        log::warn!("{message}");
        self.explained.replace(message);
    }

    /// Has the daemon end.
    pub(crate) fn shut_down(&self) {
        self.shutdown.notify_one();
    }

    /// Resolves when a client has asked the daemon to end.
    pub async fn asked_to_end(&self) {
        self.shutdown.notified().await;
    }

    /// Resolves when no call is under way.
    pub async fn idle(&self) {
        // Fails only for a closed semaphore, and none is closed.
        drop(self.calls.acquire_many(MAX_CALLS).await);
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}
