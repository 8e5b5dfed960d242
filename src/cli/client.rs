//! The daemon's client: one WebSocket over the Unix socket, for calls and for events.

use std::collections::VecDeque;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::{HandshakeError, HandshakeRole};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{
    ClientRequestBuilder, Error as WsError, Message, WebSocket, client::client_with_config,
};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::rpc::errors::kind_of;
use crate::server::websocket::OWN_PROTOCOL;

/// The largest answer that is taken, in bytes: output in base64 twice over.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The callsign that always works, whatever the configuration says.
const CALLSIGN: &str = "OCIContainer";
/// The prefix of the notifications it subscribes to.
const PREFIX: &str = "cli";

/// A connection to the daemon.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocket<UnixStream>,
    calls: u64,
    /// Events that came while an answer was awaited.
    events: VecDeque<Value>,
}

pub(crate) fn broken(error: WsError) -> Error {
    Error::new(ErrorKind::Unreachable, "the connection to the daemon broke").caused_by(error)
}

/// The status of an answer to a connection when all places are taken.
const FULL: u16 = 503;

fn is_full<R: HandshakeRole>(error: &HandshakeError<R>) -> bool {
    matches!(error, HandshakeError::Failure(WsError::Http(answer)) if answer.status() == FULL)
}

/// Whether the daemon closed the connection with that answer before it could read anything: sending fails then, and what
/// it said is still there.
fn refused_before_we_spoke(mut stream: UnixStream) -> bool {
    let mut begin = [0; 12];
    // It is closed, so that no read waits. One may fail with what the end of the connection left.
    let _in_vain = stream.set_nonblocking(true);
    let read = stream.read_exact(&mut begin).or_else(|_| stream.read_exact(&mut begin));
    read.is_ok() && begin.ends_with(FULL.to_string().as_bytes())
}

impl Client {
    /// Connects to the daemon behind the Unix socket `path`.
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let what = || format!("cannot reach the daemon at {}", path.display());
        let stream = UnixStream::connect(path).tried(what).map_err(|error| {
            error
                .of_kind(ErrorKind::Unreachable)
                .advise("check that it is running (ocicontainer serve) and that you may use its socket")
        })?;
        let uri = "ws://localhost/jsonrpc".parse().map_err(|_| Error::new(ErrorKind::System, what()))?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(OWN_PROTOCOL);
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_ANSWER)).max_frame_size(Some(MAX_ANSWER));
        let said = stream.try_clone();
        match client_with_config(request, stream, Some(config)) {
            Ok((socket, _response)) => Ok(Self { socket, calls: 0, events: VecDeque::new() }),
            Err(error) if is_full(&error) || said.is_ok_and(refused_before_we_spoke) => {
                let error = Error::new(ErrorKind::Busy, format!("{}: it has too many connections", what()));
                Err(error.advise("it runs; close clients that it does not need, or try again"))
            }
            Err(error) => Err(Error::new(ErrorKind::Unreachable, what()).caused_by(error.to_string())),
        }
    }

    /// Calls a method of the plugin and gives its result.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.begin(method, params)?;
        loop {
            let mut answer = self.receive()?;
            if answer["id"] != self.calls {
                self.events.push_back(answer);
                continue;
            }
            return match answer.get("error") {
                Some(error) => Err(failure(error)),
                None => Ok(answer["result"].take()),
            };
        }
    }

    /// Begins a call of a method of the plugin, and gives its number, which the answer has as id.
    fn begin(&mut self, method: &str, params: Value) -> Result<u64> {
        self.calls += 1;
        let method = format!("{CALLSIGN}.1.{method}");
        let request = json!({"jsonrpc": "2.0", "id": self.calls, "method": method, "params": params});
        self.socket.send(Message::text(request.to_string())).map_err(broken)?;
        Ok(self.calls)
    }

    /// Begins a call that is answered at the end of a stream: its number, and the connection, which does not block.
    pub(crate) fn stream(mut self, method: &str, params: Value) -> Result<(u64, WebSocket<UnixStream>)> {
        let number = self.begin(method, params)?;
        self.socket.get_ref().set_nonblocking(true).tried(|| "cannot use the connection to the daemon")?;
        Ok((number, self.socket))
    }

    /// Calls a method about one container.
    pub(crate) fn about(&mut self, method: &str, id: &str) -> Result<Value> {
        self.call(method, json!({"containerId": id}))
    }

    /// Subscribes to an event.
    pub(crate) fn subscribe(&mut self, event: &str) -> Result<()> {
        self.call("register", json!({"event": event, "id": PREFIX})).map(drop)
    }

    /// The lowest number of the events that have come and were not taken yet.
    pub(crate) fn first_number(&self) -> Option<u64> {
        self.events.iter().filter_map(|event| event["params"]["sequence"].as_u64()).min()
    }

    /// Waits for the next event: its name and parameters.
    pub(crate) fn next_event(&mut self) -> Result<(String, Value)> {
        loop {
            let mut message = match self.events.pop_front() {
                Some(message) => message,
                None => self.receive()?,
            };
            let name =
                message["method"].as_str().and_then(|method| method.strip_prefix(PREFIX)?.strip_prefix('.'));
            if let Some(name) = name.map(str::to_owned) {
                return Ok((name, message["params"].take()));
            }
        }
    }

    fn receive(&mut self) -> Result<Value> {
        loop {
            match self.socket.read().map_err(broken)? {
                Message::Text(text) => {
                    return serde_json::from_str(&text).map_err(|error| {
                        Error::new(ErrorKind::Input, "cannot parse the response of the daemon")
                            .caused_by(error)
                    });
                }
                Message::Close(frame) => return Err(closed(frame)),
                _ => {}
            }
        }
    }
}

/// The daemon closed the connection, for the reason that it gave.
pub(crate) fn closed(frame: Option<CloseFrame>) -> Error {
    let why = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
    Error::new(ErrorKind::Unreachable, "the daemon closed the connection").caused_by(why)
}

/// The failure that the daemon reported.
pub(crate) fn failure(error: &Value) -> Error {
    let kind = error["kind"].as_str().map_or(ErrorKind::System, kind_of);
    let reason = error["data"].as_str().or(error["message"].as_str());
    Error::new(kind, reason.unwrap_or("the daemon gave no reason"))
}

/// The bytes of a member in base64.
pub(crate) fn decode(member: &Value) -> Result<Vec<u8>> {
    let text = member.as_str().unwrap_or_default();
    BASE64.decode(text.as_bytes()).map_err(|error| {
        Error::new(ErrorKind::Input, "cannot parse the response of the daemon").caused_by(error)
    })
}
