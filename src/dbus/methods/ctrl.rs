//! `org.rdk.dobby.ctrl1`: stops, freezes, looks at and runs commands in containers.

use std::rc::Rc;

use zbus::Message;

use crate::control::ExecRequest;
use crate::dbus::answer::{Answer, Form};
use crate::dbus::face::Face;
use crate::dbus::methods::method::{Method, arguments, change, container, query};
use crate::dbus::names::{INVALID, state};
use crate::error::Result;

const DESCRIPTOR: (&str, &str) = ("i", "descriptor");

pub(crate) const METHODS: &[Method] = &[
    change("Stop", &[DESCRIPTOR, ("b", "force")], |face, call| Box::pin(stop(face, call))),
    change("Pause", &[DESCRIPTOR], |face, call| Box::pin(pause(face, call))),
    change("Resume", &[DESCRIPTOR], |face, call| Box::pin(resume(face, call))),
    change("Exec", &[DESCRIPTOR, ("s", "options"), ("s", "command")], |face, call| {
        Box::pin(exec(face, call))
    }),
    query("GetState", &[DESCRIPTOR], Form::Number, |face, call| Box::pin(get_state(face, call))),
    query("GetInfo", &[DESCRIPTOR], Form::Text, |face, call| Box::pin(get_info(face, call))),
    query("List", &[], Form::List, |face, _| Box::pin(async move { Ok(list(&face)) })),
];

async fn stop(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, force) = arguments(&call)?;
    face.manager.stop(&container(&face, descriptor)?, force).await?;
    Ok(Answer::Flag(true))
}

async fn pause(face: Rc<Face>, call: Message) -> Result<Answer> {
    face.manager.pause(&container(&face, arguments(&call)?)?).await?;
    Ok(Answer::Flag(true))
}

async fn resume(face: Rc<Face>, call: Message) -> Result<Answer> {
    face.manager.resume(&container(&face, arguments(&call)?)?).await?;
    Ok(Answer::Flag(true))
}

async fn exec(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, options, command): (i32, String, String) = arguments(&call)?;
    let id = container(&face, descriptor)?;
    face.manager.exec(&id, ExecRequest::parse(&command, &options)?).await?;
    Ok(Answer::Flag(true))
}

/// Of a container that does not exist Dobby says `invalid`, and -1 only of wrong arguments.
async fn get_state(face: Rc<Face>, call: Message) -> Result<Answer> {
    let descriptor = arguments(&call)?;
    let known = container(&face, descriptor).and_then(|id| face.manager.state(&id));
    Ok(Answer::Number(known.map_or(INVALID, state)))
}

async fn get_info(face: Rc<Face>, call: Message) -> Result<Answer> {
    let info = face.manager.info(&container(&face, arguments(&call)?)?).await?;
    Ok(Answer::Text(info.to_string()))
}

/// In the order of the ids, as Dobby has it.
fn list(face: &Face) -> Answer {
    let mut containers = face.manager.list();
    containers.sort_by(|one, other| one.id.cmp(&other.id));
    let (descriptors, ids) = containers.into_iter().map(|c| (c.descriptor, c.id.to_string())).unzip();
    Answer::List(descriptors, ids)
}
