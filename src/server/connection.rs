//! What the requests of one connection have in common.

use std::rc::Rc;

use tokio::sync::OwnedSemaphorePermit;

use crate::server::daemon::Daemon;
use crate::server::guard::caller::Channel;
use crate::server::stream::WaitState;
use crate::server::stream::framing::Framing;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// The server it came to.
    pub daemon: Rc<Daemon>,
    /// How it came in.
    pub channel: Channel,
    /// Who is at its other end, in words for the log.
    pub name: String,
    /// What it waits for.
    pub wait: WaitState,
    /// What its requests say of their bodies' ends.
    pub framing: Framing,
    /// Its slot, which is free again when it ends.
    pub slot: OwnedSemaphorePermit,
}

impl Connection {
    /// Whether only methods that change nothing are allowed here.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.daemon.config.tcp_read_only && matches!(self.channel, Channel::Tcp(_))
    }
}
