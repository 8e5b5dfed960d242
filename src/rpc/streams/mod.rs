//! The streams of one connection: commands whose input and output are binary frames beside its calls. From the bottom up:
//!
//! - [`frame`]: the frames.

pub mod frame;

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::control::{ContainerId, Inlet, Manager, Outlet, StreamPart, StreamRequest};
use crate::error::{Error, ErrorKind};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::command::exec_stream;
use crate::rpc::params::Params;
use crate::rpc::streams::frame::FromClient;

/// The most streams of one connection at a time.
const MAX_STREAMS: usize = 8;

/// What a connection sends to its client, in this order.
#[derive(Debug)]
pub enum Outgoing {
    /// What a call led to.
    Answer {
        /// The answer, if one is wanted.
        text: Option<String>,
        /// Whether it is owed even when the daemon ends.
        was_owed: bool,
        /// Whether the call was that of a stream.
        of_stream: bool,
    },
    /// A frame of a stream.
    Frame(Vec<u8>),
}

/// The streams of one connection. They end with it.
#[derive(Debug)]
pub struct Streams {
    open: BTreeMap<u32, Weak<Inlet>>,
    outgoing: mpsc::Sender<Outgoing>,
    /// Those for the streams of all connections.
    places: Arc<Semaphore>,
    closed: bool,
}

/// A stream that is to begin.
#[derive(Debug)]
pub struct OpenStream {
    container: ContainerId,
    request: StreamRequest,
    inlet: Rc<Inlet>,
    outlet: Frames,
    _place: OwnedSemaphorePermit,
}

/// Makes frames of what comes out of a stream.
#[derive(Debug)]
struct Frames {
    number: u32,
    outgoing: mpsc::Sender<Outgoing>,
}

impl Outlet for Frames {
    async fn put(&self, part: StreamPart) {
        // Fails when the connection has ended, and this with it.
        let _ended = self.outgoing.send(Outgoing::Frame(frame::encode(self.number, &part))).await;
    }
}

impl Streams {
    /// None yet; `outgoing` leads to the client.
    #[must_use]
    pub fn new(outgoing: mpsc::Sender<Outgoing>, places: Arc<Semaphore>) -> Self {
        Self { open: BTreeMap::new(), outgoing, places, closed: false }
    }

    /// Makes the stream that a call asks for, which takes input from now on.
    ///
    /// # Errors
    /// Bad parameters; the number is in use; there are too many streams.
    pub(crate) fn open(&mut self, manager: &Manager, params: &Params) -> Result<OpenStream, Fault> {
        let number = exec_stream::number(params)?;
        let (container, request) = exec_stream::request(manager, params)?;
        self.open.retain(|_, inlet| inlet.strong_count() > 0);
        if self.open.contains_key(&number) {
            return Err(Fault::parameter(format!("stream {number} is in use on this connection")));
        }
        let busy = |what: &str| {
            let error = Error::new(ErrorKind::Busy, what.to_owned());
            Fault::from(error.advise("end one of them first"))
        };
        if self.open.len() >= MAX_STREAMS {
            return Err(busy(&format!("a connection can have {MAX_STREAMS} streams at a time")));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| busy("the daemon has as many streams as it can serve at a time"))?;
        let inlet = Rc::new(Inlet::default());
        self.open.insert(number, Rc::downgrade(&inlet));
        let outlet = Frames { number, outgoing: self.outgoing.clone() };
        Ok(OpenStream { container, request, inlet, outlet, _place: place })
    }

    /// Takes a frame of the client's. One for a stream that has ended is dropped: it was under way. `None` for one of an
    /// unknown form.
    #[must_use]
    pub fn receive(&self, bytes: &[u8]) -> Option<()> {
        let (number, frame) = FromClient::decode(bytes)?;
        if let Some(inlet) = self.open.get(&number).and_then(Weak::upgrade) {
            match frame {
                FromClient::Input(bytes) => inlet.push(bytes),
                FromClient::Credit(bytes) => inlet.grant(usize::try_from(bytes).unwrap_or(usize::MAX)),
                FromClient::Resize(size) => inlet.resize(size),
                FromClient::Signal(signal) => inlet.signal(signal),
            }
        }
        Some(())
    }

    /// Ends all streams, since the daemon ends.
    pub fn close(&mut self) {
        self.closed = true;
        for inlet in self.open.values().filter_map(Weak::upgrade) {
            inlet.end(Error::new(ErrorKind::System, "the daemon shuts down, which ended the command"));
        }
    }

    /// Whether they were ended by that.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

impl OpenStream {
    /// Runs the command to its end.
    pub(crate) async fn run(self, manager: &Manager) -> CallResult {
        let end = manager.exec_stream(&self.container, self.request, &self.inlet, &self.outlet).await?;
        exec_stream::result(end)
    }
}
