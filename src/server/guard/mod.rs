//! Who may call: the guards in front of the API, which is root on the box. From the bottom up:
//!
//! - [`refusal`]: what a guard refuses; [`caller`]: who calls.
//! - `diag`: asks the kernel about a socket; [`peer`]: the owner of the other end of a TCP connection.
//! - [`host`]: the `Host` header; [`origin`]: the `Origin` header; [`token`]: the bearer token.

pub mod caller;
mod diag;
pub mod host;
pub mod origin;
pub mod peer;
pub mod refusal;
pub mod token;

use std::net::SocketAddr;

use hyper::header::HOST;
use hyper::{Request, Version};

use crate::server::guard::caller::{Channel, Peer};
use crate::server::guard::host::Hosts;
use crate::server::guard::origin::Page;
use crate::server::guard::refusal::{Refusal, header};

/// The guards, with their settings.
#[derive(Debug)]
pub struct Guard {
    hosts: Hosts,
    settings: GuardSettings,
}

/// Whom the guards let call.
#[derive(Debug, Clone, Default)]
pub struct GuardSettings {
    /// Origins whose pages may call.
    pub origins: Vec<String>,
    /// Names of this host beside the loopback ones.
    pub hosts: Vec<String>,
    /// Users that may call over loopback TCP.
    pub uids: Vec<u32>,
    /// What TCP callers must present.
    pub token: Option<String>,
}

impl Guard {
    /// The guards in front of the port `port`, for a server that listens on `listen`.
    #[must_use]
    pub fn new(settings: GuardSettings, listen: Option<SocketAddr>, port: u16) -> Self {
        let mut names = settings.hosts.clone();
        // An address that the server was given to listen on may be used to address it.
        names.extend(listen.filter(|address| !address.ip().is_unspecified()).map(|address| match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        }));
        Self { hosts: Hosts::new(port, names), settings }
    }

    /// Whether the other end of a connection may call at all.
    ///
    /// # Errors
    /// It is a user who may not, or unknown.
    pub fn check_peer(&self, peer: Peer) -> Result<(), Refusal> {
        match peer {
            Peer::Remote => Ok(()),
            Peer::User(uid) if self.settings.uids.contains(&uid) => Ok(()),
            Peer::User(uid) => Err(Refusal::forbidden(format!(
                "user {uid} may not call over TCP; see --tcp-allow-uid, or use the Unix socket"
            ))),
            Peer::Unknown => Err(Refusal::forbidden("the other end of the connection is closed".to_owned())),
        }
    }

    /// Whether a request may go on, and which page its answer is addressed to.
    ///
    /// # Errors
    /// A guard refuses it.
    pub fn check<B>(&self, channel: &Channel, request: &Request<B>) -> Result<Page, Refusal> {
        let Channel::Tcp(peer) = channel else {
            return origin::check(request.headers(), &self.settings.origins, None);
        };
        self.check_peer(*peer)?;
        self.check_host(request)?;
        origin::check(request.headers(), &self.settings.origins, Some(&self.hosts))
    }

    fn check_host<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        if let Some(authority) = request.uri().authority() {
            self.hosts.check(authority.as_str())?;
        }
        // Only HTTP/1.0 may come without; no browser speaks it.
        if request.version() < Version::HTTP_11 && !request.headers().contains_key(HOST) {
            return Ok(());
        }
        self.hosts.check(header(request.headers(), &HOST).unwrap_or_default())
    }

    /// Whether the token, where one is wanted, was presented. A WebSocket may have it in its query.
    #[must_use]
    pub fn token_presented<B>(&self, channel: &Channel, request: &Request<B>, websocket: bool) -> bool {
        match (&self.settings.token, channel) {
            (None, _) | (_, Channel::Unix(_)) => true,
            (Some(token), Channel::Tcp(_)) => {
                token::in_header(request.headers(), token)
                    || (websocket && token::in_query(request.uri().query(), token))
            }
        }
    }
}
