//! Events as signals.

use std::collections::HashSet;

use zbus::Message;

use crate::control::{Event, State};
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

/// Events as signals. Only a container that was hibernated has a signal when it runs again; the daemon's other API calls
/// that a start.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// The descriptors of the containers that wake up, until that start is announced.
    awakening: HashSet<i32>,
}

impl Signals {
    /// The signals of an event; many have none.
    ///
    /// # Errors
    /// zbus's.
    pub(crate) fn of(&mut self, event: &Event) -> zbus::Result<Vec<Message>> {
        match event {
            Event::StateChanged { id, descriptor, state } => {
                let name = match state {
                    State::Running if self.awakening.contains(descriptor) => "Awoken",
                    // It sleeps on when it cannot be woken up.
                    State::Hibernated if !self.awakening.remove(descriptor) => "Hibernated",
                    State::Awakening => {
                        self.awakening.insert(*descriptor);
                        return Ok(Vec::new());
                    }
                    _ => return Ok(Vec::new()),
                };
                Ok(vec![plain(name, *descriptor, id.as_str())?])
            }
            Event::Started { descriptor, .. } if self.awakening.remove(descriptor) => Ok(Vec::new()),
            Event::Started { id, descriptor } => Ok(vec![plain("Started", *descriptor, id.as_str())?]),
            Event::Stopped { id, descriptor, exit } => {
                self.awakening.remove(descriptor);
                let with_status = Message::signal(OBJECT, CTRL, "StoppedWithStatus")?;
                let with_status = with_status.build(&(descriptor, id.as_str(), wait_status(*exit)))?;
                Ok(vec![with_status, plain("Stopped", *descriptor, id.as_str())?])
            }
            // Dobby has none for them: a start that fails is an error of its call.
            _ => Ok(Vec::new()),
        }
    }
}

fn plain(name: &str, descriptor: i32, id: &str) -> zbus::Result<Message> {
    Message::signal(OBJECT, CTRL, name)?.build(&(descriptor, id))
}
