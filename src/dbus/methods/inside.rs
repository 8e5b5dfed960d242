//! `org.rdk.dobby.ctrl1`: what changes a container that runs. The daemon's other API does the same under names of its own;
//! its methods carry this out.

use std::rc::Rc;

use serde_json::{Value, json};
use zbus::Message;

use crate::dbus::answer::Answer;
use crate::dbus::face::Face;
use crate::dbus::methods::method::{Method, arguments, change, container};
use crate::error::{Error, ErrorKind, Result};
use crate::rpc::methods;
use crate::rpc::params::Params;

const DESCRIPTOR: (&str, &str) = ("i", "descriptor");

pub(crate) const METHODS: &[Method] = &[
    change("Hibernate", &[DESCRIPTOR, ("s", "options")], |face, call| Box::pin(hibernate(face, call))),
    change("Wakeup", &[DESCRIPTOR], |face, call| Box::pin(wakeup(face, call))),
    change(
        "Mount",
        &[DESCRIPTOR, ("s", "source"), ("s", "destination"), ("as", "flags"), ("s", "data")],
        |face, call| Box::pin(mount(face, call)),
    ),
    change("Unmount", &[DESCRIPTOR, ("s", "path")], |face, call| Box::pin(unmount(face, call))),
    change("Annotate", &[DESCRIPTOR, ("s", "key"), ("s", "value")], |face, call| {
        Box::pin(annotate(face, call))
    }),
    change("RemoveAnnotation", &[DESCRIPTOR, ("s", "key")], |face, call| {
        Box::pin(remove_annotation(face, call))
    }),
];

async fn hibernate(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, options): (i32, String) = arguments(&call)?;
    by_api(&face, descriptor, "hibernateContainer", json!({"options": options})).await
}

async fn wakeup(face: Rc<Face>, call: Message) -> Result<Answer> {
    by_api(&face, arguments(&call)?, "wakeupContainer", json!({})).await
}

async fn mount(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, source, target, flags, data): (i32, String, String, Vec<String>, String) =
        arguments(&call)?;
    if !data.is_empty() {
        let what = format!("cannot mount {source:?}: a bind mount takes no data");
        return Err(Error::new(ErrorKind::Input, what));
    }
    by_api(&face, descriptor, "mount", json!({"source": source, "target": target, "flags": flags})).await
}

async fn unmount(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, target): (i32, String) = arguments(&call)?;
    by_api(&face, descriptor, "unmount", json!({"target": target})).await
}

async fn annotate(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, key, value): (i32, String, String) = arguments(&call)?;
    by_api(&face, descriptor, "annotate", json!({"key": key, "value": value})).await
}

async fn remove_annotation(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, key): (i32, String) = arguments(&call)?;
    by_api(&face, descriptor, "removeAnnotation", json!({"key": key})).await
}

/// Has the method `name` of the API do it to a container.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the API has no such method; the method's own.
async fn by_api(face: &Face, descriptor: i32, name: &str, mut params: Value) -> Result<Answer> {
    let id = container(face, descriptor)?;
    let method = methods::find(name).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("this version of the daemon has no method {name}"))
    })?;
    if let Some(members) = params.as_object_mut() {
        members.insert("containerId".to_owned(), id.as_str().into());
    }
    let outcome = (method.call)(face.manager.clone(), Params::new(params)).await;
    outcome.map(|_| Answer::Flag(true)).map_err(|fault| {
        let reason = fault.reason.unwrap_or_else(|| fault.message.into_owned());
        Error::new(fault.kind.unwrap_or(ErrorKind::System), reason)
    })
}
