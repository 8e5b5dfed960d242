//! What all calls share.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::control::Manager;
use crate::dbus::caller::Allowed;

/// The most calls that may be under way at once.
const MAX_CALLS: u32 = 256;

/// The parts that answer calls.
pub struct Face {
    pub(crate) manager: Manager,
    pub(crate) allowed: Allowed,
    pub(crate) calls: Arc<Semaphore>,
    shutdown: Notify,
    warn: Box<dyn Fn(&str)>,
}

impl Face {
    /// Answers for the containers of `manager`, to those who are `allowed`. `warn` logs what a client could repeat at will.
    #[must_use]
    pub fn new(manager: Manager, allowed: Allowed, warn: Box<dyn Fn(&str)>) -> Self {
        let calls = Arc::new(Semaphore::new(MAX_CALLS as usize));
        Self { manager, allowed, calls, shutdown: Notify::new(), warn }
    }

    /// Logs what a client could repeat at will.
    pub(crate) fn warn(&self, message: &str) {
        (self.warn)(message);
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
