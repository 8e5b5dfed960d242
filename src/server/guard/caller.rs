//! Who calls, as far as is known.

use std::fmt;

/// How a connection came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// The Unix socket: file permissions have decided. The user and process at the other end, if the kernel reports them.
    Unix(Option<(u32, i32)>),
    /// TCP.
    Tcp(Peer),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(Some((uid, pid))) => write!(f, "user {uid} (process {pid})"),
            Self::Unix(None) => f.write_str("an unknown caller at the Unix socket"),
            Self::Tcp(Peer::User(uid)) => write!(f, "user {uid} over TCP"),
            Self::Tcp(Peer::Remote) => f.write_str("a remote caller"),
            Self::Tcp(Peer::Unknown) => f.write_str("an unknown caller"),
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
    /// The other end is closed, or the kernel does not say who holds it.
    Unknown,
}
