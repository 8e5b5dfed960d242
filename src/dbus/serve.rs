//! Connects to the bus, serves, and connects again when the bus was restarted.

use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::broadcast::error::RecvError;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

use crate::control::Event;
use crate::dbus::address::Address;
use crate::dbus::face::Face;
use crate::dbus::names::SERVICE;
use crate::dbus::signals::{Signals, ready};
use crate::dbus::{broken, dispatch};
use crate::error::{Error, ErrorKind, Result};

/// The first pause before another attempt to connect; each further one is twice as long.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long the bus may take no message before the connection counts as broken.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// `RequestName`: fail when another program has the name.
const DO_NOT_QUEUE: u32 = 4;
/// Its answer: the name is ours.
const OWNER: u32 = 1;

/// Serves for ever.
pub async fn serve(face: Rc<Face>, address: Address) {
    let mut pause = MIN_PAUSE;
    let mut last_problem = String::new();
    // Clients of an earlier daemon kept their connections to the bus, and are owed what happened since.
    let mut replay = true;
    loop {
        match connect(&address).await {
            Ok((connection, messages)) => {
                log::info!("answering on D-Bus as {SERVICE} at {address}");
                let problem = serve_connection(&face, &connection, messages, replay).await;
                log::warn!("the connection to D-Bus is lost, trying again: {}", problem.report());
                (replay, pause) = (false, MIN_PAUSE);
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
    let bus = "org.freedesktop.DBus";
    let path = "/org/freedesktop/DBus";
    let request =
        connection.call_method(Some(bus), path, Some(bus), "RequestName", &(SERVICE, DO_NOT_QUEUE)).await;
    let reply = request.map_err(|error| {
        broken(what, error).advise("check that the policy file org.rdk.dobby.conf is installed")
    })?;
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
    replay: bool,
) -> Error {
    let (mut events, mut signals) = (face.manager.subscribe(), Signals::default());
    let missed = if replay { face.manager.replay(&events) } else { Vec::new() };
    if let Err(error) = announce(connection, &mut signals, &missed).await {
        return error;
    }
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(Ok(call)) => accept(face, connection, call),
                Some(Err(error)) => return broken("cannot read from D-Bus", error),
                None => return Error::new(ErrorKind::System, "the bus closed the connection"),
            },
            event = events.recv() => match event {
                Ok(event) => if let Err(error) = announce_event(connection, &mut signals, &event).await {
                    return error;
                },
                Err(RecvError::Lagged(lost)) => log::warn!("{lost} events are lost to clients on D-Bus"),
                Err(RecvError::Closed) => return Error::new(ErrorKind::System, "the daemon ends"),
            },
        }
    }
}

fn accept(face: &Rc<Face>, connection: &Connection, call: Message) {
    if call.message_type() == Type::MethodCall {
        tokio::task::spawn_local(dispatch::answer(Rc::clone(face), connection.clone(), call));
    }
}

/// The daemon answers; and what its clients have missed.
async fn announce(connection: &Connection, signals: &mut Signals, missed: &[Event]) -> Result<()> {
    send(connection, ready()).await?;
    for event in missed {
        announce_event(connection, signals, event).await?;
    }
    Ok(())
}

async fn announce_event(connection: &Connection, signals: &mut Signals, event: &Event) -> Result<()> {
    for signal in signals.of(event).map_err(|error| broken("cannot write a signal", error))? {
        send(connection, Ok(signal)).await?;
    }
    Ok(())
}

async fn send(connection: &Connection, message: zbus::Result<Message>) -> Result<()> {
    let what = "cannot send a signal";
    let message = message.map_err(|error| broken(what, error))?;
    match tokio::time::timeout(SEND_TIMEOUT, connection.send(&message)).await {
        Ok(sent) => sent.map_err(|error| broken(what, error)),
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{what}: the bus takes none"))),
    }
}
