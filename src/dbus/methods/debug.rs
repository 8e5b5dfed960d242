//! `org.rdk.dobby.debug1`: for those who look for mistakes.

use std::rc::Rc;

use zbus::Message;

use crate::dbus::answer::{Answer, Form};
use crate::dbus::face::Face;
use crate::dbus::methods::method::{Call, Method, arguments, container};
use crate::dbus::names::DEBUG;
use crate::error::{Error, ErrorKind, Result};

pub(crate) const METHODS: &[Method] = &[
    method("GetOCIConfig", &[("i", "descriptor")], Form::Text, |face, call| {
        Box::pin(async move { get_config(&face, &call) })
    }),
    method("GetSpec", &[("i", "descriptor")], Form::Text, |_, _| {
        Box::pin(async {
            Err(missing("specifications are not kept once they are converted", "GetOCIConfig"))
        })
    }),
    method("CreateBundle", &[("s", "id"), ("s", "jsonSpec")], Form::Flag, |_, _| {
        Box::pin(async { Err(missing("no bundle is made without a start", "ocicontainer convert-spec")) })
    }),
];

const fn method(
    name: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    form: Form,
    call: fn(Rc<Face>, Message) -> Call,
) -> Method {
    Method { interface: DEBUG, name, arguments, form, changes: false, call }
}

fn get_config(face: &Face, call: &Message) -> Result<Answer> {
    let config = face.manager.config(&container(face, arguments(call)?)?)?;
    Ok(Answer::Text(config.to_string()))
}

fn missing(what: &str, instead: &str) -> Error {
    Error::new(ErrorKind::Unsupported, what).advise(format!("use {instead}"))
}
