//! From a call to its answer.

use std::rc::Rc;

use zbus::message::{Flags, Header, Message};
use zbus::{Connection, Result as BusResult};

use crate::dbus::answer::{Answer, BusError, Decided};
use crate::dbus::caller::Caller;
use crate::dbus::face::{Face, Slot};
use crate::dbus::methods::method::Method;
use crate::dbus::{broker, methods, standard};
use crate::error::{Error, ErrorKind, Result};

/// Takes a call on, or refuses it before it takes any room.
pub(crate) fn accept(face: &Rc<Face>, connection: &Connection, call: Message) {
    let connection = connection.clone();
    let why = match face.take_slot(&call) {
        Ok(slot) => {
            tokio::task::spawn_local(answer(Rc::clone(face), connection, call, slot));
            return;
        }
        Err(why) => why,
    };
    face.warn(&format!("refused a D-Bus call: {why}"));
    let Some(room) = face.take_refusal() else { return };
    let refusal = BusError::new("org.freedesktop.DBus.Error.LimitsExceeded", why);
    if let Some(refusal) = reply(&call, |header| refusal.message(header)) {
        // Without the call: what it brought is let go of now.
        tokio::task::spawn_local(async move {
            send(&connection, refusal).await;
            drop(room);
        });
    }
}

/// Answers a call. It is carried out whether or not its client waits for it.
async fn answer(face: Rc<Face>, connection: Connection, call: Message, slot: Slot) {
    let decided = decide(&face, &connection, &call).await;
    let message = reply(&call, |header| match &decided {
        Ok(answer) => answer.message(header),
        Err(error) => error.message(header),
    });
    if let Some(message) = message {
        send(&connection, message).await;
    }
    drop(slot);
}

/// The answer to a call, if its client wants one.
fn reply(call: &Message, build: impl FnOnce(&Header<'_>) -> BusResult<Message>) -> Option<Message> {
    if call.primary_header().flags().contains(Flags::NoReplyExpected) {
        return None;
    }
    let built = build(&call.header());
    built.inspect_err(|error| log::warn!("cannot write the answer to a D-Bus call: {error}")).ok()
}

async fn send(connection: &Connection, message: Message) {
    if let Err(error) = broker::send(connection, &message).await {
        log::debug!("a D-Bus client did not get its answer: {}", error.report());
    }
}

async fn decide(face: &Rc<Face>, connection: &Connection, call: &Message) -> Decided {
    let header = call.header();
    let path = header.path().map_or("", |path| path.as_str());
    let interface = header.interface().map(|interface| interface.as_str());
    let name = header.member().map_or("", |member| member.as_str());
    if let Some(decided) = standard::answer(path, interface, name) {
        return decided;
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
            face.explain(format!("{caller}: {}: {}", method.name, error.report()));
            method.form.failure()
        }
    }
}
