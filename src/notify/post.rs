//! Posts a document to a socket of this machine: one request of HTTP/1.1, of which only the status of the answer counts.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::settings::notify::Webhook;

/// The most bytes of an answer that are read.
const MAX_ANSWER: usize = 16 << 10;

/// Posts `document`, JSON, and waits for an answer with a status of 200 to 299.
///
/// # Errors
/// [`ErrorKind::Timeout`], or [`ErrorKind::System`] when there is another answer or none.
pub(super) fn post(webhook: &Webhook, document: &[u8], time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    let connecting = || format!("cannot connect to {webhook}");
    let (socket, request) = match webhook {
        Webhook::Http { address, host, target } => {
            let stream = TcpStream::connect_timeout(address, time).tried(connecting)?;
            (OwnedFd::from(stream), request(host, target, document))
        }
        Webhook::Unix(path) => (connect_unix(path).tried(connecting)?, request("localhost", "/", document)),
    };
    let status = ask(&File::from(socket), &request, end).map_err(|error| {
        let is_late = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        let kind = if is_late { ErrorKind::Timeout } else { ErrorKind::System };
        Error::new(kind, format!("no answer of {webhook}")).caused_by(error)
    })?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::System, format!("{webhook} answered {status}")))
}

fn request(host: &str, target: &str, document: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        document.len()
    );
    [head.as_bytes(), document].concat()
}

/// A listener whose queue is full must not hold us up: the connection is refused then.
fn connect_unix(path: &Path) -> std::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

/// Sends a request and gives the status of the answer.
fn ask(socket: &File, request: &[u8], end: Instant) -> std::io::Result<u16> {
    let limit = || match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(std::io::ErrorKind::TimedOut.into()),
        left => {
            set_socket_timeout(socket, Timeout::Send, Some(left))?;
            Ok::<_, std::io::Error>(set_socket_timeout(socket, Timeout::Recv, Some(left))?)
        }
    };
    let (mut stream, mut rest) = (socket, request);
    while !rest.is_empty() {
        limit()?;
        let count = stream.write(rest)?;
        rest = rest.get(count.max(1)..).unwrap_or_default();
    }
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(status) = status(&answer)? {
            return Ok(status);
        }
        limit()?;
        let count = stream.read(&mut chunk)?;
        if count == 0 || answer.len() > MAX_ANSWER {
            return Err(wrong());
        }
        answer.extend_from_slice(chunk.get(..count).unwrap_or_default());
    }
}

/// The status of an answer, which may have interim ones (1xx) before it; `None` when there is more to come.
fn status(mut answer: &[u8]) -> std::io::Result<Option<u16>> {
    loop {
        let Some(end) = answer.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let line = answer.get(..end).unwrap_or_default();
        let digits = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
        let status = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        match status.ok_or_else(wrong)? {
            100..200 => {
                let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return Ok(None);
                };
                answer = answer.get(head + 4..).unwrap_or_default();
            }
            status => return Ok(Some(status)),
        }
    }
}

fn wrong() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not one of HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_is_found_whatever_comes_in_which_pieces() {
        let answer = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        for length in 0..53 {
            assert_eq!(status(&answer[..length]).unwrap(), None, "{length}");
        }
        assert_eq!(status(answer).unwrap(), Some(204));
        assert_eq!(status(b"HTTP/1.0 500\r\n").unwrap(), Some(500));
        for wrong in [&b"SSH-2.0-x\r\n"[..], b"HTTP/1.1 \r\n", b"HTTP/1.1 2x4 \r\n", b"\r\n", b"HTTP/1.\r\n"]
        {
            assert!(status(wrong).is_err(), "{wrong:?}");
        }
    }
}
