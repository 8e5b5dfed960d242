//! What all connections share.

use std::rc::Rc;

use tokio::sync::watch;

use crate::rpc::service::Service;
use crate::server::config::ServerConfig;
use crate::server::guard::Guard;
use crate::server::limits::{ConnectionSlots, RateLimited};
use crate::server::stream::places::Places;

/// The parts of the daemon.
#[derive(Debug)]
pub struct Daemon {
    /// The API.
    pub service: Rc<Service>,
    /// Who may call.
    pub guard: Guard,
    /// The settings of the server.
    pub config: ServerConfig,
    /// Slots for TCP connections.
    pub slots: ConnectionSlots,
    /// Places for connections to the Unix socket.
    pub places: Places,
    /// Turns true when the daemon ends.
    pub closing: watch::Sender<bool>,
    /// Requests that a guard refused.
    pub refusals: RateLimited,
}
