//! The bus itself: what it is asked, and messages that it takes. A bus that stands still holds nothing up for ever.

use std::time::Duration;

use serde::Serialize;
use zbus::zvariant::DynamicType;
use zbus::{Connection, Message};

use crate::dbus::broken;
use crate::error::{Error, ErrorKind, Result};

/// The bus as a service.
const BUS: &str = "org.freedesktop.DBus";
/// Its object.
const PATH: &str = "/org/freedesktop/DBus";
/// How long the bus may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the bus may take no message.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls a method of the bus, for what `what` says.
///
/// # Errors
/// The bus refuses it, does not answer, or the connection is lost.
pub(crate) async fn ask(
    connection: &Connection,
    what: &str,
    method: &str,
    arguments: &(impl Serialize + DynamicType),
) -> Result<Message> {
    let call = connection.call_method(Some(BUS), PATH, Some(BUS), method, arguments);
    match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| broken(what, error)),
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{what}: the bus does not answer"))),
    }
}

/// Hands a message over.
///
/// # Errors
/// The connection is lost, or the bus takes nothing.
pub(crate) async fn send(connection: &Connection, message: &Message) -> Result<()> {
    let what = "cannot send over D-Bus";
    match tokio::time::timeout(SEND_TIMEOUT, connection.send(message)).await {
        Ok(sent) => sent.map_err(|error| broken(what, error)),
        Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{what}: the bus takes nothing"))),
    }
}
