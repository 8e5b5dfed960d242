//! Where the bus is.

use std::fmt;
use std::time::Duration;

use tokio::net::UnixStream;

use crate::error::{Error, ErrorKind, Result, Tried};

/// Where the system's bus is, unless the environment says otherwise.
const SYSTEM: &str = "unix:path=/run/dbus/system_bus_socket";
/// The variable that names another place, as in the D-Bus specification.
const SYSTEM_VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";
/// How long the bus may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many messages may wait to be read; the bus keeps further ones.
const MAX_QUEUED: usize = 16;

/// The Unix socket of a bus. Other transports are refused: whom a call comes from is known on this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As tokio has it: a path, or a NUL byte and an abstract name.
    socket: String,
}

impl Address {
    /// Reads `system`, or an address as in the D-Bus specification.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address that is not that of a Unix socket.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "system" {
            let named = std::env::var(SYSTEM_VARIABLE).ok().filter(|named| !named.is_empty());
            return Self::parse(named.as_deref().unwrap_or(SYSTEM));
        }
        // Of several addresses the first counts that can be used.
        let socket = text.split(';').find_map(socket).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("cannot use the D-Bus address {text:?}"))
                .advise("give system, unix:path=PATH or unix:abstract=NAME")
        })?;
        Ok(Self { socket })
    }

    /// A connection to the bus. It uses tokio's tasks, and no thread.
    ///
    /// # Errors
    /// The bus is not there, does not answer, or refuses us.
    pub async fn connect(&self) -> Result<zbus::Connection> {
        let what = || format!("cannot connect to D-Bus at {self}");
        let connect = async {
            let stream = UnixStream::connect(&self.socket).await.tried(what)?;
            let builder = zbus::connection::Builder::unix_stream(stream).max_queued(MAX_QUEUED);
            builder.build().await.map_err(|error| Error::new(ErrorKind::System, what()).caused_by(error))
        };
        tokio::time::timeout(CONNECT_TIMEOUT, connect).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("{}: it does not answer", what())))
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket.strip_prefix('\0') {
            Some(name) => write!(f, "unix:abstract={name}"),
            None => write!(f, "unix:path={}", self.socket),
        }
    }
}

/// The socket of one address.
fn socket(address: &str) -> Option<String> {
    address.strip_prefix("unix:")?.split(',').find_map(|pair| match pair.split_once('=')? {
        ("path", path) if path.starts_with('/') => unescape(path),
        ("abstract", name) if !name.is_empty() => unescape(name).map(|name| format!("\0{name}")),
        _ => None,
    })
}

/// Text in which `%41` stands for `A`.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_are_addresses() {
        let cases = [
            ("unix:path=/run/bus", Some("unix:path=/run/bus")),
            ("unix:path=/a%20b,guid=00", Some("unix:path=/a b")),
            ("unix:guid=00,abstract=x", Some("unix:abstract=x")),
            ("tcp:host=localhost,port=1;unix:path=/b", Some("unix:path=/b")),
            ("tcp:host=localhost,port=1", None),
            ("unixexec:path=/bin/sh", None),
            ("unix:path=relative", None),
            ("unix:path=/a%0", None),
            ("unix:path=/a%00b", None),
            ("unix:tmpdir=/tmp", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let shown = Address::parse(text).ok().map(|address| address.to_string());
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }
}
