//! The stream to the daemon, over a connection that does not block.

use std::io::ErrorKind as IoKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use serde_json::Value;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, WebSocket};

use crate::cli::client::{Client, broken, closed, failure};
use crate::error::{Error, ErrorKind, Result};
use crate::rpc::streams::frame::{FromClient, FromDaemon};

/// The number of the one stream of a connection.
pub(crate) const STREAM: u32 = 1;
/// The JSON-RPC error of a daemon that does not have the method.
const UNKNOWN_METHOD: i64 = -32601;

/// A stream, and the call that is answered at its end.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocket<UnixStream>,
    call: u64,
    unsent: bool,
}

/// What comes from the daemon.
#[derive(Debug)]
pub(crate) enum Coming {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    /// Room for this many bytes of input; the command runs.
    Credit(usize),
    /// The result of the call.
    End(Value),
}

impl Connection {
    /// Begins a stream by calling `method`.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) fn begin(client: Client, method: &str, params: Value) -> Result<Self> {
        let (call, socket) = client.stream(method, params)?;
        Ok(Self { socket, call, unsent: false })
    }

    /// What is to be waited for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }

    /// Whether something waits to be sent.
    pub(crate) fn is_unsent(&self) -> bool {
        self.unsent
    }

    /// Sends a frame, or as much of it as goes now.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) fn send(&mut self, frame: &FromClient<'_>) -> Result<()> {
        let sent = self.socket.send(Message::binary(frame.encode(STREAM)));
        self.note(sent)
    }

    /// Sends more of what waits.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let sent = self.socket.flush();
        self.note(sent)
    }

    fn note(&mut self, sent: std::result::Result<(), WsError>) -> Result<()> {
        match sent {
            Err(WsError::Io(error)) if error.kind() == IoKind::WouldBlock => {
                self.unsent = true;
                Ok(())
            }
            // What it said before is still there to be read.
            Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => Ok(()),
            Err(WsError::Io(error))
                if matches!(error.kind(), IoKind::BrokenPipe | IoKind::ConnectionReset) =>
            {
                self.unsent = false;
                Ok(())
            }
            Err(error) => Err(broken(error)),
            Ok(()) => {
                self.unsent = false;
                Ok(())
            }
        }
    }

    /// The next thing that came; `None` when nothing did.
    ///
    /// # Errors
    /// The command could not be run; the connection broke.
    pub(crate) fn next(&mut self) -> Result<Option<Coming>> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => {
                    return match FromDaemon::decode(&bytes) {
                        Some((_, FromDaemon::Stdout(bytes))) => Ok(Some(Coming::Stdout(bytes.to_owned()))),
                        Some((_, FromDaemon::Stderr(bytes))) => Ok(Some(Coming::Stderr(bytes.to_owned()))),
                        Some((_, FromDaemon::Credit(bytes))) => {
                            Ok(Some(Coming::Credit(usize::try_from(bytes).unwrap_or(usize::MAX))))
                        }
                        None => Err(unreadable()),
                    };
                }
                Ok(Message::Text(text)) => {
                    let mut answer: Value = serde_json::from_str(&text).map_err(|_| unreadable())?;
                    if answer["id"] != self.call {
                        continue;
                    }
                    return match answer.get("error") {
                        Some(error) if error["code"] == UNKNOWN_METHOD => Err(too_old()),
                        Some(error) => Err(failure(error)),
                        None => Ok(Some(Coming::End(answer["result"].take()))),
                    };
                }
                Ok(Message::Close(frame)) => return Err(closed(frame)),
                Ok(_) => {}
                Err(WsError::Io(error)) if error.kind() == IoKind::WouldBlock => return Ok(None),
                Err(error) => return Err(broken(error)),
            }
        }
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Input, "cannot parse the response of the daemon")
}

fn too_old() -> Error {
    Error::new(ErrorKind::Unsupported, "the daemon is older than this program and has no streams").advise(
        "restart it (systemctl restart ocicontainer); containers go on, and exec --json works meanwhile",
    )
}
