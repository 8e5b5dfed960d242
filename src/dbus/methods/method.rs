//! What a method is, and how its arguments are read.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use serde::Deserialize;
use zbus::Message;
use zbus::zvariant::Type;

use crate::control::ContainerId;
use crate::dbus::answer::{Answer, Form};
use crate::dbus::face::Face;
use crate::dbus::names::CTRL;
use crate::error::{Error, ErrorKind, Result};

/// A call under way.
pub(crate) type Call = Pin<Box<dyn Future<Output = Result<Answer>>>>;

/// One method.
pub(crate) struct Method {
    /// Its interface.
    pub(crate) interface: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// Type and name of each argument of the longest form.
    pub(crate) arguments: &'static [(&'static str, &'static str)],
    /// The form of its answers.
    pub(crate) form: Form,
    /// Whether it changes anything, which is logged.
    pub(crate) changes: bool,
    /// Carries it out.
    pub(crate) call: fn(Rc<Face>, Message) -> Call,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A method for containers that changes something and answers whether it could.
pub(crate) const fn change(
    name: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    call: fn(Rc<Face>, Message) -> Call,
) -> Method {
    Method { interface: CTRL, name, arguments, form: Form::Flag, changes: true, call }
}

/// A method for containers that only looks.
pub(crate) const fn query(
    name: &'static str,
    arguments: &'static [(&'static str, &'static str)],
    form: Form,
    call: fn(Rc<Face>, Message) -> Call,
) -> Method {
    Method { interface: CTRL, name, arguments, form, changes: false, call }
}

/// The arguments of a call.
///
/// # Errors
/// [`ErrorKind::Input`] when their number or types are others.
pub(crate) fn arguments<T: Type + for<'a> Deserialize<'a>>(call: &Message) -> Result<T> {
    call.body().deserialize().map_err(|error| {
        let what = format!("unexpected arguments of types {:?}", call.body().signature().to_string());
        Error::new(ErrorKind::Input, what).caused_by(error)
    })
}

/// The types of a call's arguments.
pub(crate) fn types(call: &Message) -> String {
    call.body().signature().to_string_no_parens()
}

/// The container with this descriptor.
///
/// # Errors
/// [`ErrorKind::NotFound`].
pub(crate) fn container(face: &Face, descriptor: i32) -> Result<ContainerId> {
    face.manager.resolve(&descriptor.to_string())
}
