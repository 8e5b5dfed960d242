//! Connects to the bus, serves, and connects again when the bus was restarted.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::broadcast::error::RecvError;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

use crate::control::{Event, Subscription};
use crate::dbus::address::Address;
use crate::dbus::face::Face;
use crate::dbus::names::SERVICE;
use crate::dbus::signals::{Signals, ready};
use crate::dbus::{broken, broker, dispatch};
use crate::error::{Error, ErrorKind, Result};

/// The first pause before another attempt to connect; each further one is twice as long.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// `RequestName`: fail when another program has the name.
const DO_NOT_QUEUE: u32 = 4;
/// Its answer: the name is ours.
const OWNER: u32 = 1;

/// What is to be announced. It outlives a connection: what happens while the bus is away is announced when it is back.
struct Feed {
    events: Subscription,
    signals: Signals,
    /// Signals that the bus has not taken yet.
    unsent: VecDeque<Message>,
}

/// Serves for ever.
pub async fn serve(face: Rc<Face>, address: Address) {
    let mut pause = MIN_PAUSE;
    let mut last_problem = String::new();
    let mut feed =
        Feed { events: face.manager.subscribe(), signals: Signals::default(), unsent: VecDeque::new() };
    // Clients of an earlier daemon kept their connections to the bus, and are owed what happened since.
    for (_, event) in face.manager.replay(&feed.events) {
        feed.add(&event);
    }
    loop {
        match connect(&address).await {
            Ok((connection, messages)) => {
                log::info!("answering on D-Bus as {SERVICE} at {address}");
                feed.announce_us();
                let problem = serve_connection(&face, &connection, messages, &mut feed).await;
                log::warn!("the connection to D-Bus is lost, trying again: {}", problem.report());
                pause = MIN_PAUSE;
                last_problem.clear();
            }
            Err(error) => {
                let problem = error.report();
                if problem != last_problem {
                    log::warn!("{problem}; trying again");
                    last_problem = problem;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
}

/// A connection that has the service's name, and the messages that come over it.
async fn connect(address: &Address) -> Result<(Connection, MessageStream)> {
    let connection = address.connect().await?;
    // Before the name is ours: calls can arrive from then on.
    let messages = MessageStream::from(&connection);
    let what = "cannot take the name org.rdk.dobby on D-Bus";
    let request = broker::ask(&connection, what, "RequestName", &(SERVICE, DO_NOT_QUEUE)).await;
    let reply = request
        .map_err(|error| error.advise("check that the policy file org.rdk.dobby.conf is installed"))?;
    match reply.body().deserialize::<u32>() {
        Ok(OWNER) => Ok((connection, messages)),
        _ => {
            Err(Error::new(ErrorKind::Busy, format!("{what}: another program has it"))
                .advise("stop Dobby first"))
        }
    }
}

/// Serves one connection until it breaks, and gives the reason.
async fn serve_connection(
    face: &Rc<Face>,
    connection: &Connection,
    mut messages: MessageStream,
    feed: &mut Feed,
) -> Error {
    loop {
        if let Err(error) = feed.send(connection).await {
            return error;
        }
        tokio::select! {
            message = messages.next() => match message {
                Some(Ok(call)) if call.message_type() == Type::MethodCall => {
                    dispatch::accept(face, connection, call);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return broken("cannot read from D-Bus", error),
                None => return Error::new(ErrorKind::System, "the bus closed the connection"),
            },
            event = feed.events.recv() => match event {
                Ok(event) => feed.add(&event),
                Err(RecvError::Lagged(lost)) => log::warn!("{lost} events are lost to clients on D-Bus"),
                Err(RecvError::Closed) => return Error::new(ErrorKind::System, "the daemon ends"),
            },
        }
    }
}

impl Feed {
    /// The daemon answers: the first signal on each connection.
    fn announce_us(&mut self) {
        match ready() {
            Ok(signal) => self.unsent.push_front(signal),
            Err(error) => log::warn!("cannot write a signal: {error}"),
        }
    }

    /// Announces an event, after what was added before.
    fn add(&mut self, event: &Event) {
        match self.signals.of(event) {
            Ok(signals) => self.unsent.extend(signals),
            Err(error) => log::warn!("cannot write a signal: {error}"),
        }
    }

    /// Sends what is still to be sent.
    async fn send(&mut self, connection: &Connection) -> Result<()> {
        while let Some(signal) = self.unsent.front() {
            broker::send(connection, signal).await?;
            self.unsent.pop_front();
        }
        Ok(())
    }
}
