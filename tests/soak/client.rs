//! A connection to the daemon that may break at any moment.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use crate::place::Place;

/// The longest that anything may take: a start whose hooks, stops and locks all wait for each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon has gone.
#[derive(Debug)]
pub(crate) struct Gone;

/// A WebSocket over the Unix socket.
pub(crate) struct Client {
    socket: WebSocket<UnixStream>,
    calls: u64,
}

impl Client {
    /// Connects, as soon as there is a daemon again.
    pub(crate) fn connect(place: &Place) -> Self {
        let begin = Instant::now();
        loop {
            if let Some(socket) = open(place) {
                return Self { socket, calls: 0 };
            }
            assert!(begin.elapsed() < PATIENCE, "no daemon answers\n{}", place.log_end());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Calls a method: its result, or its error. Events that come meanwhile go to `event`.
    pub(crate) fn call(
        &mut self,
        method: &str,
        params: &Value,
        mut event: impl FnMut(Value),
    ) -> Result<Result<Value, Value>, Gone> {
        self.calls += 1;
        let method = format!("org.rdk.OCIContainer.1.{method}");
        let request = json!({"jsonrpc": "2.0", "id": self.calls, "method": method, "params": params});
        if self.socket.send(Message::text(request.to_string())).is_err() {
            // What it said before is still to be read.
            while let Ok(said) = self.receive() {
                said.into_iter().for_each(&mut event);
            }
            return Err(Gone);
        }
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < PATIENCE, "{request} is not answered");
            let Some(mut answer) = self.receive()? else { continue };
            if answer["id"] != self.calls {
                event(answer);
                continue;
            }
            return Ok(match answer.get_mut("error") {
                Some(error) => Err(error.take()),
                None => Ok(answer["result"].take()),
            });
        }
    }

    /// The next message, if one comes within a moment.
    pub(crate) fn receive(&mut self) -> Result<Option<Value>, Gone> {
        match self.socket.read() {
            Ok(Message::Text(text)) => Ok(Some(serde_json::from_str(&text).expect("JSON"))),
            Ok(Message::Close(_)) => Err(Gone),
            Ok(_) => Ok(None),
            Err(tungstenite::Error::Io(error))
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
                ) =>
            {
                Ok(None)
            }
            Err(_) => Err(Gone),
        }
    }
}

fn open(place: &Place) -> Option<WebSocket<UnixStream>> {
    let stream = UnixStream::connect(place.socket()).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
    let uri = "ws://localhost/jsonrpc".parse().ok()?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol("notification");
    tungstenite::client(request, stream).ok().map(|(socket, _response)| socket)
}
