//! What all connections share: the API, the guards, and where and for whom the server answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};
use crate::rpc::service::Service;
use crate::server::guard::{Guard, GuardSettings};
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

/// Where and for whom the server answers.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The TCP address; `None` for the Unix socket only.
    pub listen: Option<SocketAddr>,
    /// The Unix socket.
    pub socket: PathBuf,
    /// The group of the Unix socket.
    pub socket_group: Option<u32>,
    /// The bus to answer on; `None` for none.
    pub dbus: Option<String>,
    /// Users that may call over D-Bus.
    pub dbus_uids: Vec<u32>,
    /// Whom the guards let call.
    pub guard: GuardSettings,
    /// Whether TCP callers may only look.
    pub tcp_read_only: bool,
    /// Whether there is a page for browsers.
    pub page: bool,
}

impl ServerConfig {
    /// Refuses an address that others can reach, unless there is a token.
    ///
    /// # Errors
    /// It is such an address.
    pub fn check_address(&self, address: SocketAddr) -> Result<()> {
        if address.ip().to_canonical().is_loopback() || self.guard.token.is_some() {
            return Ok(());
        }
        let what = format!(
            "refused to listen on {address}: it is reachable from other hosts, and access to it is root access"
        );
        Err(Error::new(ErrorKind::Config, what).advise("give --token-file, or a loopback address"))
    }
}
