//! `org.rdk.dobby.ctrl1`: what changes a container that runs.

use std::path::Path;
use std::rc::Rc;

use zbus::Message;

use crate::control::{HibernateOptions, MountRequest};
use crate::dbus::answer::Answer;
use crate::dbus::face::Face;
use crate::dbus::methods::method::{Method, arguments, change, container};
use crate::error::{Error, ErrorKind, Result};

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

/// Answers once memcr is reached; the signal `Hibernated` says that the memory is written out.
async fn hibernate(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, options): (i32, String) = arguments(&call)?;
    let id = container(&face, descriptor)?;
    face.manager.hibernate(&id, HibernateOptions::parse(&options)?).await?;
    Ok(Answer::Flag(true))
}

async fn wakeup(face: Rc<Face>, call: Message) -> Result<Answer> {
    face.manager.wakeup(&container(&face, arguments(&call)?)?).await?;
    Ok(Answer::Flag(true))
}

/// As with Dobby there are bind mounts only, for which `data` means nothing: mount(2) ignores it, too. Thunder's plugin
/// sends no flags at all and means a bind mount; Dobby refuses that.
async fn mount(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, source, target, flags, _data): (i32, String, String, Vec<String>, String) =
        arguments(&call)?;
    if !flags.is_empty() && !flags.iter().any(|flag| flag == "bind" || flag == "rbind") {
        let what = format!("cannot mount {source:?}: it would not be a bind mount");
        return Err(Error::new(ErrorKind::Input, what).advise("give the flag bind or rbind"));
    }
    let id = container(&face, descriptor)?;
    let request = MountRequest { source: source.into(), target: target.into(), flags };
    face.manager.mount(&id, request).await?;
    Ok(Answer::Flag(true))
}

async fn unmount(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, target): (i32, String) = arguments(&call)?;
    face.manager.unmount(&container(&face, descriptor)?, Path::new(&target)).await?;
    Ok(Answer::Flag(true))
}

async fn annotate(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, key, value): (i32, String, String) = arguments(&call)?;
    face.manager.annotate(&container(&face, descriptor)?, &key, &value).await?;
    Ok(Answer::Flag(true))
}

async fn remove_annotation(face: Rc<Face>, call: Message) -> Result<Answer> {
    let (descriptor, key): (i32, String) = arguments(&call)?;
    face.manager.remove_annotation(&container(&face, descriptor)?, &key).await?;
    Ok(Answer::Flag(true))
}
