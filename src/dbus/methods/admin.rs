//! `org.rdk.dobby.admin1`: the daemon itself.

use crate::dbus::answer::{Answer, Form};
use crate::dbus::methods::method::{Method, arguments};
use crate::dbus::names::{ADMIN, level};
use crate::error::{Error, ErrorKind, Result};

pub(crate) const METHODS: &[Method] = &[
    Method {
        interface: ADMIN,
        name: "Ping",
        arguments: &[],
        form: Form::Nothing,
        changes: false,
        call: |_, _| Box::pin(async { Ok(Answer::Nothing) }),
    },
    Method {
        interface: ADMIN,
        name: "Shutdown",
        arguments: &[],
        form: Form::Nothing,
        changes: true,
        call: |face, _| {
            Box::pin(async move {
                face.shut_down();
                Ok(Answer::Nothing)
            })
        },
    },
    Method {
        interface: ADMIN,
        name: "SetLogLevel",
        arguments: &[("i", "level")],
        form: Form::Flag,
        changes: true,
        call: |_, call| Box::pin(async move { set_log_level(arguments(&call)?) }),
    },
    Method {
        interface: ADMIN,
        name: "SetLogMethod",
        arguments: &[("u", "method"), ("h", "pipe")],
        form: Form::Flag,
        changes: true,
        call: |_, _| Box::pin(async { Err(fixed("where the daemon logs")) }),
    },
    Method {
        interface: ADMIN,
        name: "SetAIDbusAddress",
        arguments: &[("b", "private"), ("s", "address")],
        form: Form::Flag,
        changes: true,
        call: |_, _| Box::pin(async { Err(fixed("the bus of the Application Infrastructure")) }),
    },
];

fn set_log_level(number: i32) -> Result<Answer> {
    let level = level(number).ok_or_else(|| {
        Error::new(ErrorKind::Input, format!("cannot log at level {number}")).advise("give 0 to 5")
    })?;
    crate::log::set_level(level);
    Ok(Answer::Flag(true))
}

fn fixed(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot change {what} at run time"))
}
