//! The interfaces that every D-Bus object has. They say nothing about containers, so that everybody may call them.

use crate::dbus::answer::{Answer, BusError, Decided};
use crate::dbus::introspection;
use crate::dbus::names::OBJECT;

const PEER: &str = "org.freedesktop.DBus.Peer";
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The answer to a call of such an interface; `None` for another one's.
pub(crate) fn answer(path: &str, interface: Option<&str>, name: &str) -> Option<Decided> {
    Some(match (interface, name) {
        (Some(PEER), "Ping") => Ok(Answer::Nothing),
        (Some(INTROSPECTABLE) | None, "Introspect") => {
            introspection::describe(path).map(Answer::Text).ok_or_else(|| no_object(path))
        }
        _ if path != OBJECT => Err(no_object(path)),
        // Dobby's interfaces have no properties; libraries ask for all of them all the same.
        (Some(PROPERTIES), "GetAll") => Ok(Answer::NoProperties),
        (Some(PROPERTIES), "Get" | "Set") => {
            Err(BusError::new("org.freedesktop.DBus.Error.UnknownProperty", "it has no properties"))
        }
        _ => return None,
    })
}

fn no_object(path: &str) -> BusError {
    BusError::new("org.freedesktop.DBus.Error.UnknownObject", format!("the object {path} does not exist"))
}
