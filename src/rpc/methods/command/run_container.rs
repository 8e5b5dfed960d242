//! `runContainer`: starts a container from an OCI bundle with its client attached from the first byte on.
//!
//! Not in Thunder's plugin. Parameters: those of `startContainer`, and `stream` and `readOnly` of `attachContainer`. Result as of that
//! one, once the container has ended for good. A start that has begun is carried out, and a container goes on, whether or not
//! the client waits for it.

use std::path::PathBuf;

use crate::control::{AttachRequest, Source, StartRequest};
use crate::rpc::errors::Fault;
use crate::rpc::methods::command::attach_container::attachment;
use crate::rpc::methods::common::not_a_stream;
use crate::rpc::methods::life::start_container;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "runContainer",
    aliases: &[],
    access: Access::Attached,
    parameters: &[
        "containerId*",
        "bundlePath*",
        "stream* (a number that the client chooses)",
        "command",
        "westerosSocket",
        "envvar (an array of NAME=VALUE)",
        "terminal (rows and columns of the client's window, for a terminal that the container gets)",
        "interactive (whether its standard input stays open)",
        "readOnly (whether only the output is wanted)",
    ],
    result: &["exitCode", "signal", "lost (bytes of output that came too fast)", "success"],
    call: |_, _| not_a_stream("runContainer"),
};

/// What it asks for.
pub(crate) fn request(params: &Params) -> Result<(StartRequest, AttachRequest), Fault> {
    let source = Source::Bundle(PathBuf::from(params.text("bundlePath")?));
    Ok((start_container::request(params, source)?, attachment(params)?))
}
