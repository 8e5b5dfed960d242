//! Events as signals.

use zbus::Message;

use crate::control::Event;
use crate::dbus::names::{ADMIN, CTRL, OBJECT, wait_status};

/// Interface, name and types of each signal.
pub(crate) const SIGNALS: &[(&str, &str, &[&str])] = &[
    (ADMIN, "Ready", &[]),
    (CTRL, "Started", &["i", "s"]),
    (CTRL, "Stopped", &["i", "s"]),
    (CTRL, "StoppedWithStatus", &["i", "s", "i"]),
    (CTRL, "Hibernated", &["i", "s"]),
    (CTRL, "Awoken", &["i", "s"]),
];

/// The daemon answers.
///
/// # Errors
/// zbus's.
pub(crate) fn ready() -> zbus::Result<Message> {
    Message::signal(OBJECT, ADMIN, "Ready")?.build(&())
}

/// The signals of an event; many have none.
///
/// # Errors
/// zbus's.
pub(crate) fn of(event: &Event) -> zbus::Result<Vec<Message>> {
    let plain =
        |name, descriptor: i32, id: &str| Message::signal(OBJECT, CTRL, name)?.build(&(descriptor, id));
    match event {
        Event::Started { id, descriptor } => Ok(vec![plain("Started", *descriptor, id.as_str())?]),
        Event::Stopped { id, descriptor, exit } => {
            let with_status = Message::signal(OBJECT, CTRL, "StoppedWithStatus")?;
            let with_status = with_status.build(&(descriptor, id.as_str(), wait_status(*exit)))?;
            Ok(vec![with_status, plain("Stopped", *descriptor, id.as_str())?])
        }
        // Dobby has none for them: a start that fails is an error of its call.
        _ => Ok(Vec::new()),
    }
}
