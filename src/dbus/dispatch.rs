//! From a call to its answer.

use std::rc::Rc;

use zbus::message::{Flags, Header, Message};
use zbus::{Connection, Result as BusResult};

use crate::dbus::answer::Answer;
use crate::dbus::caller::Caller;
use crate::dbus::face::Face;
use crate::dbus::methods::method::Method;
use crate::dbus::{introspection, methods};
use crate::error::{Error, ErrorKind, Result};

/// The interface for descriptions.
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
/// The interface that every program has.
const PEER: &str = "org.freedesktop.DBus.Peer";

/// A D-Bus error: its name and its text.
struct BusError {
    name: &'static str,
    text: String,
}

impl BusError {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into() }
    }
}

/// The answer to a call, or the D-Bus error.
type Decided = std::result::Result<Answer, BusError>;

/// Answers a call. It is carried out whether or not its client waits for it.
pub(crate) async fn answer(face: Rc<Face>, connection: Connection, call: Message) {
    // Held until the answer is sent: the daemon does not end before.
    let slot = face.calls.try_acquire();
    let answered = match decide(&face, &connection, &call, slot.is_ok()).await {
        Ok(answer) => send(&connection, &call, |header| answer.message(header)).await,
        Err(error_reply) => {
            let text = (error_reply.text.as_str(),);
            send(&connection, &call, |header| Message::error(header, error_reply.name)?.build(&text)).await
        }
    };
    if let Err(error) = answered {
        log::debug!("a D-Bus client did not get its answer: {error}");
    }
}

async fn send(
    connection: &Connection,
    call: &Message,
    build: impl FnOnce(&Header<'_>) -> BusResult<Message>,
) -> BusResult<()> {
    if call.primary_header().flags().contains(Flags::NoReplyExpected) {
        return Ok(());
    }
    connection.send(&build(&call.header())?).await
}

async fn decide(face: &Rc<Face>, connection: &Connection, call: &Message, has_slot: bool) -> Decided {
    if !has_slot {
        face.warn("refused a D-Bus call: too many are under way");
        return Err(BusError::new(
            "org.freedesktop.DBus.Error.LimitsExceeded",
            "too many calls are under way",
        ));
    }
    let header = call.header();
    let path = header.path().map_or("", |path| path.as_str());
    let interface = header.interface().map(|interface| interface.as_str());
    let name = header.member().map_or("", |member| member.as_str());
    match (interface, name) {
        (Some(PEER), "Ping") => return Ok(Answer::Nothing),
        (Some(INTROSPECTABLE) | None, "Introspect") => {
            return introspection::describe(path).map(Answer::Text).ok_or_else(|| no_object(path));
        }
        _ if path != crate::dbus::names::OBJECT => return Err(no_object(path)),
        _ => {}
    }
    let method = methods::find(interface, name).ok_or_else(|| {
        let text = format!("there is no method {name} in {}", interface.unwrap_or("any interface"));
        BusError::new("org.freedesktop.DBus.Error.UnknownMethod", text)
    })?;
    let caller = admit(face, connection, &header).await.map_err(|error| {
        face.warn(&format!("refused D-Bus call {name}: {}", error.report()));
        BusError::new("org.freedesktop.DBus.Error.AccessDenied", error.report())
    })?;
    Ok(carry_out(face, call, method, &caller).await)
}

fn no_object(path: &str) -> BusError {
    BusError::new("org.freedesktop.DBus.Error.UnknownObject", format!("there is no object {path}"))
}

/// The caller, if that user may call.
async fn admit(face: &Face, connection: &Connection, header: &Header<'_>) -> Result<Caller> {
    let sender = header.sender().ok_or_else(|| Error::new(ErrorKind::Input, "the call has no sender"))?;
    let caller = Caller::ask(connection, sender).await?;
    if caller.may_call(&face.allowed) {
        return Ok(caller);
    }
    Err(Error::new(ErrorKind::Attack, format!("{caller} may not call")).advise("see --dbus-allow-uid"))
}

/// Calls the method; what failed is logged, since Dobby's answers have no place for a reason.
async fn carry_out(face: &Rc<Face>, call: &Message, method: &Method, caller: &Caller) -> Answer {
    if method.changes {
        log::info!("{caller} calls {}", method.name);
    }
    match (method.call)(Rc::clone(face), call.clone()).await {
        Ok(answer) => answer,
        Err(error) => {
            face.warn(&format!("{caller}: {}: {}", method.name, error.report()));
            method.form.failure()
        }
    }
}
