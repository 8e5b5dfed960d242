//! The streams of one connection: commands and containers whose input and output are binary frames beside its calls. From the bottom up:
//!
//! - [`frame`]: the frames.

pub mod frame;

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::control::{
    AttachRequest, ContainerId, Inlet, Manager, Outlet, StartRequest, StreamPart, StreamRequest,
};
use crate::error::{Error, ErrorKind};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::command::{attach_container, exec_stream, run_container};
use crate::rpc::methods::common::stream_number;
use crate::rpc::methods::method::Method;
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
    /// Each with what is said when the daemon ends.
    open: BTreeMap<u32, (Weak<Inlet>, &'static str)>,
    outgoing: mpsc::Sender<Outgoing>,
    /// Those for the streams of all connections.
    places: Arc<Semaphore>,
    closed: bool,
}

/// What a stream is for.
#[derive(Debug)]
enum Wanted {
    Exec(ContainerId, StreamRequest),
    Attach(ContainerId, AttachRequest),
    Run(StartRequest, AttachRequest),
}

/// Whether a method has a stream.
#[must_use]
pub(crate) fn is_stream(method: &Method) -> bool {
    let streams = [&exec_stream::METHOD, &attach_container::METHOD, &run_container::METHOD];
    streams.iter().any(|stream| stream.name == method.name)
}

impl Wanted {
    /// What a call of this method asks for.
    fn of(name: &str, manager: &Manager, params: &Params) -> Result<Self, Fault> {
        if name == attach_container::METHOD.name {
            let (container, request) = attach_container::request(manager, params)?;
            return Ok(Self::Attach(container, request));
        }
        if name == run_container::METHOD.name {
            let (start, request) = run_container::request(params)?;
            return Ok(Self::Run(start, request));
        }
        let (container, request) = exec_stream::request(manager, params)?;
        Ok(Self::Exec(container, request))
    }

    /// Whether it only looks on: the connections and the containers bound those.
    fn only_looks(&self) -> bool {
        match self {
            Self::Exec(..) => false,
            Self::Attach(_, request) | Self::Run(_, request) => request.only_looks,
        }
    }

    /// Why it ends with the daemon.
    fn farewell(&self) -> &'static str {
        match self {
            Self::Exec(..) => "the daemon shuts down, which ended the command",
            Self::Attach(..) | Self::Run(..) => "the daemon shuts down; the container goes on, attach again",
        }
    }
}

/// A stream that is to begin.
#[derive(Debug)]
pub struct OpenStream {
    wanted: Wanted,
    inlet: Rc<Inlet>,
    outlet: Frames,
    _place: Option<OwnedSemaphorePermit>,
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
    pub(crate) fn open(
        &mut self,
        manager: &Manager,
        method: &str,
        params: &Params,
    ) -> Result<OpenStream, Fault> {
        let number = stream_number(params)?;
        let wanted = Wanted::of(method, manager, params)?;
        self.open.retain(|_, (inlet, _)| inlet.strong_count() > 0);
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
        let place = (!wanted.only_looks()).then(|| Arc::clone(&self.places).try_acquire_owned()).transpose();
        let place = place.map_err(|_| busy("the daemon has as many streams as it can serve at a time"))?;
        let inlet = Rc::new(Inlet::default());
        self.open.insert(number, (Rc::downgrade(&inlet), wanted.farewell()));
        let outlet = Frames { number, outgoing: self.outgoing.clone() };
        Ok(OpenStream { wanted, inlet, outlet, _place: place })
    }

    /// Takes a frame of the client's. One for a stream that has ended is dropped: it was under way. `None` for one of an
    /// unknown form.
    #[must_use]
    pub fn receive(&self, bytes: &[u8]) -> Option<()> {
        let (number, frame) = FromClient::decode(bytes)?;
        if let Some(inlet) = self.open.get(&number).and_then(|(inlet, _)| inlet.upgrade()) {
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
        for (inlet, farewell) in self.open.values() {
            if let Some(inlet) = inlet.upgrade() {
                inlet.end(Error::new(ErrorKind::System, *farewell));
            }
        }
    }

    /// Whether they were ended by that.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

impl OpenStream {
    /// Serves it to its end.
    pub(crate) async fn run(self, manager: &Manager) -> CallResult {
        let (inlet, outlet) = (&*self.inlet, &self.outlet);
        match self.wanted {
            Wanted::Exec(container, request) => {
                exec_stream::result(manager.exec_stream(&container, request, inlet, outlet).await?)
            }
            Wanted::Attach(container, request) => {
                attach_container::result(manager.attach(&container, request, inlet, outlet).await?)
            }
            Wanted::Run(start, request) => {
                attach_container::result(manager.run(start, request, inlet, outlet).await?)
            }
        }
    }
}
