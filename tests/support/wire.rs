//! Clients that hide nothing: raw HTTP over TCP and Unix sockets, and WebSockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

use crate::support::host::PATIENCE;

/// Both kinds of sockets.
pub(crate) trait Socket: Read + Write {
    /// How long a read may block.
    fn patience(&self, time: Duration);
}

impl Socket for TcpStream {
    fn patience(&self, time: Duration) {
        self.set_read_timeout(Some(time)).unwrap();
    }
}

impl Socket for UnixStream {
    fn patience(&self, time: Duration) {
        self.set_read_timeout(Some(time)).unwrap();
    }
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A kept HTTP connection.
pub(crate) struct Http {
    reader: BufReader<Box<dyn Socket>>,
}

impl Http {
    pub(crate) fn over(socket: impl Socket + 'static) -> Self {
        socket.patience(PATIENCE);
        Self { reader: BufReader::new(Box::new(socket)) }
    }

    /// How long a read may block from now on.
    pub(crate) fn patience(&mut self, time: Duration) {
        self.reader.get_ref().patience(time);
    }

    pub(crate) fn send(&mut self, raw: &[u8]) {
        self.reader.get_mut().write_all(raw).unwrap();
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("the server closed the connection without an answer")
    }

    /// The next answer, or `None` when the server closed the connection.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        answer.body = String::from_utf8(self.body_of(&answer)).unwrap();
        Some(answer)
    }

    /// The bytes that follow the head of an answer.
    pub(crate) fn body_of(&mut self, head: &Answer) -> Vec<u8> {
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        body
    }

    /// The next answer without its body, or `None` when the server closed the connection.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("bad status line {line:?}"));
        let status = status.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim_start().to_owned()));
        }
        Some(Answer { status, headers, body: String::new() })
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.reader.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Sends a request with a body and gives its answer.
    pub(crate) fn request(&mut self, verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(request(verb, path, headers, body).as_bytes());
        self.answer()
    }
}

/// The text of a request. `Host` is the server's unless given.
pub(crate) fn request(verb: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{verb} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text.push_str("Host: localhost\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A WebSocket client.
pub(crate) struct Ws {
    pub(crate) socket: WebSocket<TcpStream>,
    /// What the server echoed as subprotocol.
    pub(crate) protocol: Option<String>,
}

impl Ws {
    /// Connects; `Err` is the HTTP status of a refusal.
    pub(crate) fn connect(port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = ClientRequestBuilder::new(format!("ws://127.0.0.1:{port}{path}").parse().unwrap());
        for (name, value) in headers {
            request = request.with_header(*name, *value);
        }
        match tungstenite::client(request, stream) {
            Ok((socket, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
                Ok(Self { socket, protocol })
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next text frame.
    pub(crate) fn text(&mut self) -> String {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return text.as_str().to_owned(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                // A read with a time limit is broken off when a tracer comes or goes (signal(7)).
                Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    /// The next event, without its number.
    pub(crate) fn event(&mut self) -> Value {
        let mut event: Value = serde_json::from_str(&self.text()).unwrap();
        let number = event["params"].as_object_mut().unwrap().remove("sequence");
        assert!(number.is_some_and(|number| number.is_u64()), "{event}");
        event
    }

    /// Sends a text and gives the next one back.
    pub(crate) fn ask(&mut self, text: &str) -> String {
        self.send(text);
        self.text()
    }

    /// Calls a method and gives its whole answer; events that come before it are dropped.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = format!("call {method}");
        let request = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&request.to_string());
        loop {
            let answer: Value = serde_json::from_str(&self.text()).unwrap();
            if answer["id"] == id.as_str() {
                return answer;
            }
        }
    }
}
