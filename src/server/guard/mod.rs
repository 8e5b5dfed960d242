//! Who may call: the guards in front of the API, which is root on the box.

mod diag;
pub mod host;
pub mod origin;
pub mod peer;
pub mod token;

use std::fmt;
use std::net::SocketAddr;

use hyper::StatusCode;
use hyper::header::{HOST, HeaderMap, HeaderName};
use hyper::{Request, Version};

pub use host::Hosts;
pub use origin::Page;

use super::config::Config;

/// A request that a guard refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// Why, for the log and for the caller; `None` for an empty answer.
    pub reason: Option<String>,
}

impl Refusal {
    /// 403, with the reason.
    #[must_use]
    pub fn forbidden(reason: String) -> Self {
        Self { status: StatusCode::FORBIDDEN, reason: Some(reason) }
    }
}

/// The one value of a header that is text.
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// How a connection came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The Unix socket: file permissions have decided. The user and process at the other end, if the kernel tells.
    Unix(Option<(u32, i32)>),
    /// TCP.
    Tcp(Peer),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(Some((uid, pid))) => write!(f, "user {uid} (process {pid})"),
            Self::Unix(None) => f.write_str("somebody at the Unix socket"),
            Self::Tcp(Peer::User(uid)) => write!(f, "user {uid} over TCP"),
            Self::Tcp(Peer::Remote) => f.write_str("a remote caller"),
            Self::Tcp(Peer::Nobody) => f.write_str("nobody"),
        }
    }
}

/// What is known of the other end of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Another host; only the token decides.
    Remote,
    /// A user of this host.
    User(u32),
    /// Nobody holds the other end any more, or the kernel does not tell who.
    Nobody,
}

/// The guards, with their settings.
#[derive(Debug)]
pub struct Guard {
    hosts: Hosts,
    origins: Vec<String>,
    uids: Vec<u32>,
    token: Option<String>,
}

impl Guard {
    /// The guards in front of the port `port`.
    #[must_use]
    pub fn new(config: &Config, port: u16) -> Self {
        let mut names = config.allow_hosts.clone();
        // Whoever was told to listen on an address may be addressed by it.
        names.extend(config.listen.filter(|address| !address.ip().is_unspecified()).map(|address| {
            match address {
                SocketAddr::V4(address) => address.ip().to_string(),
                SocketAddr::V6(address) => format!("[{}]", address.ip()),
            }
        }));
        Self {
            hosts: Hosts::new(port, names),
            origins: config.allow_origins.clone(),
            uids: config.allow_uids.clone(),
            token: config.token.clone(),
        }
    }

    /// Whether the other end of a connection may call at all.
    ///
    /// # Errors
    /// It is a user who may not, or nobody.
    pub fn check_peer(&self, peer: Peer) -> Result<(), Refusal> {
        match peer {
            Peer::Remote => Ok(()),
            Peer::User(uid) if self.uids.contains(&uid) => Ok(()),
            Peer::User(uid) => Err(Refusal::forbidden(format!(
                "user {uid} may not call over TCP; see --tcp-allow-uid, or use the Unix socket"
            ))),
            Peer::Nobody => {
                Err(Refusal::forbidden("nobody holds the other end of the connection".to_owned()))
            }
        }
    }

    /// Whether a request may go on, and which page its answer is addressed to.
    ///
    /// # Errors
    /// A guard refuses it.
    pub fn check<B>(&self, channel: &Channel, request: &Request<B>) -> Result<Page, Refusal> {
        let Channel::Tcp(peer) = channel else {
            return origin::check(request.headers(), &self.origins, None);
        };
        self.check_peer(*peer)?;
        self.check_host(request)?;
        origin::check(request.headers(), &self.origins, Some(&self.hosts))
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
        match (&self.token, channel) {
            (None, _) | (_, Channel::Unix(_)) => true,
            (Some(token), Channel::Tcp(_)) => {
                token::in_header(request.headers(), token)
                    || (websocket && token::in_query(request.uri().query(), token))
            }
        }
    }
}
