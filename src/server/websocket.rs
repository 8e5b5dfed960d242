//! One WebSocket: calls in any number at a time, their answers, and the events it subscribed to.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};

use crate::control::{Event, Subscription};
use crate::rpc::controller::StateChange;
use crate::rpc::envelope;
use crate::rpc::id::Id;
use crate::rpc::identity::Target;
use crate::rpc::service::Caller;
use crate::rpc::streams::{Outgoing, Streams, frame};
use crate::rpc::subscriptions::Subscriptions;
use crate::server::answer;
use crate::server::answer::Answer;
use crate::server::connection::Connection;
use crate::server::guard::caller::Channel;
use crate::server::limits;
use crate::server::limits::{BODY_BYTES, IDLE_TIME, MAX_CALLS};

/// The subprotocol of our own command line: errors name their kind.
pub const OWN_PROTOCOL: &str = "ocicontainer";

/// Whether a request asks for a WebSocket.
#[must_use]
pub fn wanted<B>(request: &Request<B>) -> bool {
    let has = |name, word: &str| {
        let values = request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    request.method() == Method::GET && has(UPGRADE, "websocket") && has(CONNECTION, "upgrade")
}

/// Answers a request for a WebSocket, and serves it once the answer is out.
pub fn upgrade(connection: &Rc<Connection>, request: &mut Request<Incoming>, target: Target) -> Answer {
    let headers = request.headers();
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut answer = answer::empty(StatusCode::UPGRADE_REQUIRED);
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return answer;
    }
    let Some(accept) = headers
        .get(SEC_WEBSOCKET_KEY)
        .filter(|key| key.len() == 24)
        .and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())
    else {
        return answer::empty(StatusCode::BAD_REQUEST);
    };
    if !connection.daemon.guard.token_presented(&connection.channel, request, true) {
        return answer::empty(StatusCode::FORBIDDEN);
    }
    let place = match connection.channel {
        Channel::Unix(_) => None,
        Channel::Tcp(_) => match limits::take_slot(&connection.daemon.slots.websockets) {
            Some(place) => Some(place),
            None => return answer::empty(StatusCode::SERVICE_UNAVAILABLE),
        },
    };
    let protocol = first_protocol(headers);
    let session = Session::new(Rc::clone(connection), target, place, protocol.as_ref());
    tokio::task::spawn_local(session.serve(hyper::upgrade::on(request)));
    switching(accept, protocol)
}

/// The first subprotocol that the client offers. Thunder takes it, whatever it is.
fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.as_bytes();
    let first = offered.split(|byte| *byte == b',').next()?.trim_ascii();
    if first.is_empty() { None } else { HeaderValue::from_bytes(first).ok() }
}

fn switching(accept: HeaderValue, protocol: Option<HeaderValue>) -> Answer {
    let mut answer = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.clear();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What goes on for one WebSocket.
struct Session {
    connection: Rc<Connection>,
    target: Target,
    with_error_kinds: bool,
    subscriptions: Subscriptions,
    events: Subscription,
    changes: broadcast::Receiver<StateChange>,
    /// Calls that end with this session.
    attached: JoinSet<()>,
    outgoing: (mpsc::Sender<Outgoing>, mpsc::Receiver<Outgoing>),
    streams: Streams,
    /// Calls under way, without those of streams.
    calls: usize,
    /// Those of the calls whose answers are owed even when the daemon ends.
    owed: usize,
    _slot: Option<OwnedSemaphorePermit>,
}

/// Why a session ends.
type End = Option<CloseFrame>;

impl Session {
    fn new(
        connection: Rc<Connection>,
        target: Target,
        slot: Option<OwnedSemaphorePermit>,
        protocol: Option<&HeaderValue>,
    ) -> Self {
        let service = Rc::clone(&connection.daemon.service);
        let outgoing = mpsc::channel(MAX_CALLS);
        let places = Arc::clone(&connection.daemon.slots.streams);
        Self {
            streams: Streams::new(outgoing.0.clone(), places),
            events: service.manager().subscribe(),
            changes: service.state_changes(),
            connection,
            target,
            with_error_kinds: protocol.is_some_and(|name| name == OWN_PROTOCOL),
            subscriptions: Subscriptions::of(service.identity().api),
            attached: JoinSet::new(),
            outgoing,
            calls: 0,
            owed: 0,
            _slot: slot,
        }
    }

    async fn serve(mut self, upgraded: OnUpgrade) {
        let Ok(stream) = upgraded.await else { return };
        let config = WebSocketConfig::default()
            .max_message_size(Some(BODY_BYTES))
            .max_frame_size(Some(BODY_BYTES))
            .read_buffer_size(4096)
            .write_buffer_size(0);
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(config)).await;
        if let Some(frame) = self.talk(&mut socket).await {
            // A client that is gone already needs no farewell.
            let _gone = socket.close(Some(frame)).await;
        }
    }

    /// Talks until one side has had enough.
    async fn talk(&mut self, socket: &mut Socket) -> End {
        let mut closing = self.connection.daemon.closing.subscribe();
        let mut silent_since = Instant::now();
        let mut pinged = false;
        loop {
            let step = tokio::select! {
                // In this order: the answer to a call before the events that it led to.
                biased;
                Some(outgoing) = self.outgoing.1.recv() => self.send(outgoing, socket).await,
                _ = closing.wait_for(|closing| *closing), if self.owed == 0 || !self.streams.is_closed() => {
                    if self.owed == 0 { return close(CloseCode::Away, "the daemon shuts down") }
                    self.streams.close();
                    ControlFlow::Continue(())
                }
                // Once the daemon ends, no more calls begin.
                frame = socket.next(), if self.calls < MAX_CALLS && !*self.connection.daemon.closing.borrow() => {
                    (silent_since, pinged) = (Instant::now(), false);
                    match frame {
                        Some(frame) => self.receive(frame, socket).await,
                        None => ControlFlow::Break(None),
                    }
                }
                event = self.events.recv() => self.notify(event, socket).await,
                Ok(change) = self.changes.recv() => {
                    say(socket, self.subscriptions.state_messages(&change)).await
                }
                () = sleep_until(silent_since + IDLE_TIME) => {
                    silent_since = Instant::now();
                    // While nothing that it sends is read, its silence says nothing; a ping finds out whether it is gone.
                    let is_read = self.calls < MAX_CALLS;
                    if std::mem::replace(&mut pinged, true) && is_read { return close(CloseCode::Away, "silent for too long") }
                    flow(socket.send(Message::Ping(Vec::new().into())).await)
                }
            };
            if let ControlFlow::Break(end) = step {
                return end;
            }
        }
    }

    /// One frame of the client's.
    async fn receive(&mut self, frame: Result<Message, WsError>, socket: &mut Socket) -> ControlFlow<End> {
        match frame {
            Ok(Message::Text(text)) => self.call(text.as_bytes(), socket).await,
            Ok(Message::Binary(bytes)) if frame::is_one(&bytes) => match self.streams.receive(&bytes) {
                Some(()) => ControlFlow::Continue(()),
                None => ControlFlow::Break(close(CloseCode::Policy, "a stream frame of an unknown form")),
            },
            Ok(Message::Binary(bytes)) => self.call(&bytes, socket).await,
            // Pings are answered by the library, with the payload they came with.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => flow(socket.flush().await),
            Ok(Message::Close(_)) => {
                flow(socket.flush().await)?; // The library has put its answer in place.
                ControlFlow::Break(None)
            }
            Err(WsError::Capacity(error)) => ControlFlow::Break(close(CloseCode::Size, &error.to_string())),
            Err(WsError::Protocol(error)) => {
                ControlFlow::Break(close(CloseCode::Protocol, &error.to_string()))
            }
            Err(WsError::Utf8(_)) => ControlFlow::Break(close(CloseCode::Invalid, "not UTF-8")),
            Err(error) => {
                log::debug!("a WebSocket ended: {error}");
                ControlFlow::Break(None)
            }
        }
    }

    /// The answer to a call, or a frame of a stream.
    async fn send(&mut self, outgoing: Outgoing, socket: &mut Socket) -> ControlFlow<End> {
        match outgoing {
            Outgoing::Answer { text, was_owed, of_stream } => {
                self.calls -= usize::from(!of_stream);
                self.owed -= usize::from(was_owed);
                say(socket, text).await
            }
            Outgoing::Frame(frame) => flow(socket.send(Message::binary(frame)).await),
        }
    }

    /// One message of the client's: its calls begin, and answer when they are done.
    async fn call(&mut self, bytes: &[u8], socket: &mut Socket) -> ControlFlow<End> {
        let mut caller = Caller {
            name: &self.connection.name,
            target: self.target,
            subscriptions: Some(&mut self.subscriptions),
            streams: Some(&mut self.streams),
            read_only: self.connection.read_only(),
            with_error_kinds: self.with_error_kinds,
        };
        let service = Rc::clone(&self.connection.daemon.service);
        let known = caller.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.count());
        let work = match service.accept(bytes, &mut caller) {
            Ok(work) => work,
            Err(fault) => return say(socket, envelope::reply(&Id::null(), &Err(fault))).await,
        };
        let cancellable = work.cancellable();
        if work.is_decided() {
            say(socket, work.run(service).await).await?;
            return self.replay(known, socket).await;
        }
        let (was_owed, of_stream) = (work.acts(), work.is_stream());
        self.calls += usize::from(!of_stream);
        self.owed += usize::from(was_owed);
        let outgoing = self.outgoing.0.clone();
        let task = async move {
            let text = work.run(service).await;
            // A session that has ended wants no answer.
            let _ended = outgoing.send(Outgoing::Answer { text, was_owed, of_stream }).await;
        };
        if cancellable {
            self.attached.spawn_local(task);
            while self.attached.try_join_next().is_some() {}
        } else {
            tokio::task::spawn_local(task);
        }
        self.replay(known, socket).await
    }

    /// What the daemon found at its start, or what came since the event that a client saw last, to subscriptions that are
    /// new: all but the first `known`.
    async fn replay(&self, known: usize, socket: &mut Socket) -> ControlFlow<End> {
        if self.subscriptions.count() <= known {
            return ControlFlow::Continue(());
        }
        let manager = self.connection.daemon.service.manager();
        for (number, event) in manager.replay(&self.events) {
            say(socket, self.subscriptions.messages_after(known, number, &event)).await?;
        }
        let since = async |number| manager.since(number, &self.events).await;
        let missed = self.subscriptions.messages_since(known, since).await;
        say(socket, missed).await
    }

    /// An event, to a client that listens. One that reads too slowly has lost events and must know it.
    async fn notify(&self, event: Result<Event, RecvError>, socket: &mut Socket) -> ControlFlow<End> {
        match event {
            Ok(event) => say(socket, self.subscriptions.messages(self.events.last_number(), &event)).await,
            Err(RecvError::Lagged(_)) if self.subscriptions.is_empty() => ControlFlow::Continue(()),
            Err(RecvError::Lagged(lost)) => {
                ControlFlow::Break(close(CloseCode::Policy, &format!("read too slowly, {lost} events lost")))
            }
            Err(RecvError::Closed) => ControlFlow::Break(close(CloseCode::Away, "the daemon shuts down")),
        }
    }
}

async fn say(socket: &mut Socket, messages: impl IntoIterator<Item = String>) -> ControlFlow<End> {
    for message in messages {
        flow(socket.send(Message::text(message)).await)?;
    }
    ControlFlow::Continue(())
}

fn flow(sent: Result<(), WsError>) -> ControlFlow<End> {
    match sent {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            log::debug!("a WebSocket ended: {error}");
            ControlFlow::Break(None)
        }
    }
}

fn close(code: CloseCode, reason: &str) -> End {
    // A close frame has room for 123 bytes.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    Some(CloseFrame { code, reason: Utf8Bytes::from(reason) })
}
