//! The starts of `org.rdk.dobby.ctrl1`, in the two or three forms that clients send.

use std::path::PathBuf;
use std::rc::Rc;

use zbus::Message;
use zbus::zvariant::OwnedFd;

use crate::control::{Source, StartRequest};
use crate::dbus::answer::{Answer, Form};
use crate::dbus::face::Face;
use crate::dbus::methods::method::{Method, arguments, types};
use crate::dbus::names::CTRL;
use crate::dobby::Input;
use crate::error::{Error, ErrorKind, Result};

const SPEC: &[(&str, &str)] = &[
    ("s", "id"),
    ("s", "jsonSpec"),
    ("ah", "files"),
    ("s", "command"),
    ("s", "displaySocket"),
    ("as", "envVars"),
];
const BUNDLE: &[(&str, &str)] = &[
    ("s", "id"),
    ("s", "bundlePath"),
    ("ah", "files"),
    ("s", "command"),
    ("s", "displaySocket"),
    ("as", "envVars"),
    ("u", "userId"),
    ("u", "groupId"),
];

pub(crate) const METHODS: &[Method] = &[
    Method {
        interface: CTRL,
        name: "Start",
        arguments: SPEC,
        form: Form::Number,
        changes: true,
        call: |face, call| Box::pin(start(face, call, |text| Source::Spec(Input::Text(text)))),
    },
    Method {
        interface: CTRL,
        name: "StartFromSpec",
        arguments: SPEC,
        form: Form::Number,
        changes: true,
        call: |face, call| Box::pin(start(face, call, |text| Source::Spec(Input::Text(text)))),
    },
    Method {
        interface: CTRL,
        name: "StartFromBundle",
        arguments: BUNDLE,
        form: Form::Number,
        changes: true,
        call: |face, call| Box::pin(start(face, call, |path| Source::Bundle(path.into()))),
    },
];

type Short = (String, String, Vec<OwnedFd>);
type Long = (String, String, Vec<OwnedFd>, String, String, Vec<String>);
type WithUser = (String, String, Vec<OwnedFd>, String, String, Vec<String>, u32, u32);

async fn start(face: Rc<Face>, call: Message, source: fn(String) -> Source) -> Result<Answer> {
    let (id, text, files, command, socket, env) = read(&call)?;
    drop(call);
    if !files.is_empty() {
        let what = format!("cannot start container {id:?}: files for it are not passed on");
        return Err(
            Error::new(ErrorKind::Unsupported, what).advise("have the configuration mount what it needs")
        );
    }
    let request = StartRequest {
        command: Some(command).filter(|command| !command.is_empty()),
        westeros_socket: Some(PathBuf::from(socket)).filter(|socket| !socket.as_os_str().is_empty()),
        env,
        ..StartRequest::of(id.parse()?, source(text))
    };
    Ok(Answer::Number(face.manager.start(request).await?))
}

/// The arguments of the long form; those that a shorter form lacks are empty.
fn read(call: &Message) -> Result<Long> {
    match types(call).as_str() {
        "ssah" => {
            let (id, text, files) = arguments::<Short>(call)?;
            Ok((id, text, files, String::new(), String::new(), Vec::new()))
        }
        "ssahssasuu" => {
            let (id, text, files, command, socket, env, uid, gid) = arguments::<WithUser>(call)?;
            if uid != 0 || gid != 0 {
                let what = format!("cannot start container {id:?}: its user is not the caller's to choose");
                return Err(Error::new(ErrorKind::Unsupported, what).advise("have the bundle map the user"));
            }
            Ok((id, text, files, command, socket, env))
        }
        _ => arguments(call),
    }
}
