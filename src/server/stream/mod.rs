//! A client connection, TCP or Unix, with read, idle and write timeouts.

pub mod content;
pub mod framing;
pub mod places;

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::server::limits::{HEADER_TIME, IDLE_TIME, WRITE_TIME};
use crate::server::stream::framing::Framing;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The next request.
    Idle,
    /// The rest of a request's header.
    Header,
    /// Nothing: a request is being answered, or the connection is a WebSocket. Others keep the time then.
    Nothing,
}

/// What a connection waits for, shared by the connection and its request handler. Each change counts up, so that the
/// clock starts again. `Send`, since hyper wants that of connections that become WebSockets.
#[derive(Debug, Clone)]
pub struct WaitState(Arc<Mutex<(Waiting, u32, Instant)>>);

impl WaitState {
    /// A state that begins with `waiting`.
    #[must_use]
    pub fn new(waiting: Waiting) -> Self {
        Self(Arc::new(Mutex::new((waiting, 0, Instant::now()))))
    }

    /// From now on the connection waits for `waiting`.
    pub fn set(&self, waiting: Waiting) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (waiting, state.1.wrapping_add(1), Instant::now());
    }

    fn get(&self) -> (Waiting, u32) {
        let (waiting, count, _) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (waiting, count)
    }

    /// Since when the client has owed a request or the rest of one; `None` when it owes nothing.
    #[must_use]
    pub fn silent_since(&self) -> Option<Instant> {
        let (waiting, _, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (waiting != Waiting::Nothing).then_some(since)
    }
}

impl Waiting {
    /// How long a connection may be silent meanwhile.
    fn timeout(self) -> Option<Duration> {
        match self {
            Self::Idle => Some(IDLE_TIME),
            Self::Header => Some(HEADER_TIME),
            Self::Nothing => None,
        }
    }
}

/// The socket of a connection.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

/// A client's connection. Reading fails with `TimedOut` when the client is silent for longer than its state allows,
/// writing when it reads nothing for [`WRITE_TIME`].
#[derive(Debug)]
pub struct Stream {
    socket: Socket,
    wait: WaitState,
    framing: Framing,
    reading: Clock,
    writing: Clock,
}

/// A timer that exists only while it is needed.
#[derive(Debug, Default)]
struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The state it was set for.
    armed: Option<(Waiting, u32)>,
}

impl Clock {
    /// Starts anew, `timeout` from now.
    fn arm(&mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(sleep_until(deadline))),
        }
    }

    fn rung(&mut self, cx: &mut Context<'_>) -> bool {
        self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
    }
}

impl Stream {
    /// The connection `socket`, whose handler sets in `wait` what it waits for, and asks `framing` about its requests.
    #[must_use]
    pub fn new(socket: Socket, wait: WaitState, framing: Framing) -> Self {
        Self { socket, wait, framing, reading: Clock::default(), writing: Clock::default() }
    }

    /// Whether the client may go on being silent.
    fn may_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = self.wait.get();
        let Some(timeout) = state.0.timeout() else {
            self.reading.sleep = None;
            return Poll::Pending;
        };
        if self.reading.sleep.is_none() || self.reading.armed != Some(state) {
            self.reading.armed = Some(state);
            self.reading.arm(timeout);
        }
        if self.reading.rung(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }

    /// `result` of a write, or a failure when none got on for too long.
    fn judge<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing.sleep = None;
            return result;
        }
        if self.writing.sleep.is_none() {
            self.writing.arm(WRITE_TIME);
        }
        if self.writing.rung(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        };
        if result.is_pending() {
            return self.may_wait(cx);
        }
        self.framing.follow(buf.filled().get(before..).unwrap_or_default());
        if buf.filled().len() > before && self.wait.get().0 == Waiting::Idle {
            self.wait.set(Waiting::Header);
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Socket::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        };
        self.judge(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Socket::Unix(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        };
        self.judge(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // Sockets have no buffer of their own.
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}
