//! Where what is known of a dump is posted: on this machine only. TLS and the network are for the program of `exec`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use crate::settings::entry::absolute;

/// The longest path of a socket that the kernel takes, in bytes (unix(7)).
const MAX_SOCKET_PATH: usize = 107;
/// The longest address, in bytes.
const MAX_URL: usize = 1024;

/// A place on this machine that takes posts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Webhook {
    /// An address of the loopback network.
    Http {
        /// The address.
        address: SocketAddr,
        /// The host as it was written, with its port.
        host: String,
        /// What is asked for: the path and the query.
        target: String,
    },
    /// A socket, whose requests are for `/`.
    Unix(PathBuf),
}

impl FromStr for Webhook {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |what: &str| format!("webhook {text:?} {what}: write http://127.0.0.1:PORT/PATH or unix:/SOCKET");
        if text.len() > MAX_URL || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong("is too long, or has other characters than those of an address"));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            if path.len() > MAX_SOCKET_PATH {
                return Err(wrong("has a longer path than a socket can have"));
            }
            return absolute(path).map(Self::Unix).map_err(wrong);
        }
        let rest = text.strip_prefix("http://");
        let rest =
            rest.ok_or_else(|| wrong("is neither; TLS and other machines are for the program of exec"))?;
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if host.contains('@') || target.contains('#') || !(target.is_empty() || target.starts_with('/')) {
            return Err(wrong("has a user, a fragment or no path"));
        }
        let address = address(host).ok_or_else(|| wrong("has no host that is understood"))?;
        if !address.ip().is_loopback() {
            return Err(wrong("leaves this machine; that is for the program of exec"));
        }
        let target = if target.is_empty() { "/" } else { target };
        Ok(Self::Http { address, host: host.to_owned(), target: target.to_owned() })
    }
}

impl TryFrom<String> for Webhook {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { host, target, .. } => write!(f, "http://{host}{target}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The address of a host with or without a port. Names are not looked up, but for the one of this machine.
fn address(host: &str) -> Option<SocketAddr> {
    if let Some(port) = host.strip_prefix("localhost") {
        let port = if port.is_empty() { Some(80) } else { port.strip_prefix(':')?.parse().ok() };
        return port.map(|port| (Ipv4Addr::LOCALHOST, port).into());
    }
    let alone = || Some((host.trim_matches(['[', ']']).parse::<IpAddr>().ok()?, 80).into());
    host.parse().ok().or_else(alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_on_this_machine_are_taken() {
        let good = [
            ("http://127.0.0.1:8080/a?b=c", "127.0.0.1:8080", "/a?b=c"),
            ("http://127.0.0.1", "127.0.0.1:80", "/"),
            ("http://localhost:1/x", "127.0.0.1:1", "/x"),
            ("http://localhost", "127.0.0.1:80", "/"),
            ("http://[::1]:9/", "[::1]:9", "/"),
            ("http://127.9.9.9:9/", "127.9.9.9:9", "/"),
        ];
        for (text, address, target) in good {
            let Webhook::Http { address: found, target: path, .. } = text.parse().unwrap() else {
                panic!("{text}")
            };
            assert_eq!((found.to_string().as_str(), path.as_str()), (address, target), "{text}");
        }
        assert_eq!("unix:/run/x".parse(), Ok(Webhook::Unix("/run/x".into())));
        let bad = [
            "",
            "https://127.0.0.1/",
            "http://",
            "http://192.0.2.1/",
            "http://0.0.0.0/",
            "http://example.com/",
            "http://localhost.example.com/",
            "http://localhostx/",
            "http://localhost:/",
            "http://localhost:99999/",
            "http://u:p@127.0.0.1/",
            "http://127.0.0.1@192.0.2.1/",
            "http://127.0.0.1/#x",
            "http://127.0.0.1?x",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\r\nX: y",
            "unix:x",
            "unix:/",
            "unix:/a/../b",
            "127.0.0.1:80",
        ];
        for text in bad {
            assert!(text.parse::<Webhook>().is_err(), "{text:?}");
        }
        assert!(format!("unix:/{}", "x".repeat(107)).parse::<Webhook>().is_err());
        let error = "https://127.0.0.1/".parse::<Webhook>().unwrap_err();
        assert!(error.contains("TLS and other machines are for the program of exec"), "{error}");
    }
}
