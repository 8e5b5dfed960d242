//! Limits.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest request header, in bytes.
pub const HEADER_BYTES: usize = 16 * 1024;
/// The most header fields of a request.
pub const HEADER_FIELDS: usize = 64;
/// How long a header may take from its first byte.
pub const HEADER_TIME: Duration = Duration::from_secs(5);
/// The largest body or WebSocket message, in bytes.
pub const BODY_BYTES: usize = 1024 * 1024;
/// How much of a larger body is read and dropped, so that the client gets to read why, in bytes.
pub const DISCARDED_BYTES: usize = 16 * 1024 * 1024;
/// How long a body may take.
pub const BODY_TIME: Duration = Duration::from_secs(10);
/// How long a client may leave an answer unread while the socket's buffer is full.
pub const WRITE_TIME: Duration = Duration::from_secs(10);
/// How long a kept HTTP connection may be idle; after as long a silence a WebSocket is pinged, and after twice as
/// long it is closed. Thunder's default.
pub const IDLE_TIME: Duration = Duration::from_secs(180);
/// The most calls that one WebSocket may have under way.
pub const MAX_CALLS: usize = 32;
/// How long requests under way may take when the daemon ends.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The most commands with streams of all connections.
const MAX_STREAMS: usize = 64;
/// The most connections over TCP.
const MAX_CONNECTIONS: usize = 64;
/// The most WebSockets among those over TCP.
const MAX_WEBSOCKETS: usize = 16;
/// The most connections of users who may not call: they only get their 403, and cannot lock others out.
const MAX_UNAUTHORIZED: usize = 8;

/// ConnectionSlots for connections; each permit is held as long as the connection lives.
#[derive(Debug)]
pub struct ConnectionSlots {
    /// TCP connections of those who may call.
    pub tcp: Arc<Semaphore>,
    /// TCP connections of those who may not.
    pub unauthorized: Arc<Semaphore>,
    /// WebSockets over TCP.
    pub websockets: Arc<Semaphore>,
    /// Commands with streams.
    pub streams: Arc<Semaphore>,
}

impl Default for ConnectionSlots {
    fn default() -> Self {
        let slots = |size| Arc::new(Semaphore::new(size));
        Self {
            tcp: slots(MAX_CONNECTIONS),
            unauthorized: slots(MAX_UNAUTHORIZED),
            websockets: slots(MAX_WEBSOCKETS),
            streams: slots(MAX_STREAMS),
        }
    }
}

impl ConnectionSlots {
    /// Ends when every TCP connection of those who may call has ended.
    pub async fn emptied(&self) {
        let size = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
        // Fails only for a closed semaphore, and none is closed.
        drop(Arc::clone(&self.tcp).acquire_many_owned(size).await);
    }
}

/// A slot, if one is free.
#[must_use]
pub fn take_slot(slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(slots).try_acquire_owned().ok()
}

/// Keeps a repeated warning from filling the log: one line in ten seconds.
#[derive(Debug, Default)]
pub struct RateLimited {
    last: Cell<Option<Instant>>,
    skipped: Cell<u64>,
}

impl RateLimited {
    /// Logs `message`, or counts it.
    pub fn warn(&self, message: &str) {
        const INTERVAL: Duration = Duration::from_secs(10);
        if self.last.get().is_some_and(|last| last.elapsed() < INTERVAL) {
            self.skipped.set(self.skipped.get() + 1);
            return;
        }
        self.last.set(Some(Instant::now()));
        match self.skipped.take() {
            0 => log::warn!("{message}"),
            n => log::warn!("{message} ({n} similar messages suppressed)"),
        }
    }
}
