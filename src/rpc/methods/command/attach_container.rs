//! `attachContainer`: a container's output from now on, and its input and terminal, as frames of the same WebSocket.
//!
//! Not in Thunder's plugin. Parameters: `containerId`; `stream`, the number that the client gives the stream and that stands in its
//! frames; `readOnly`, for the output only; `terminal`, an object with the `rows` and `columns` of the client's window, which
//! the container's terminal gets if it has one. Result, once the container has ended for good: `exitCode` or `signal`; `lost`,
//! how many bytes of output the client missed; `success`. A client that goes away leaves the container as it is.
//!
//! One client at a time has the input, and a container can have eight in all. Output comes from the container's log, which does
//! not wait for clients: what one missed is said on its second stream. The end of the input closes a pipe and leaves a terminal
//! as it is. Frames with signals are ignored: `signalContainer` sends some.

use serde_json::json;

use crate::control::{AttachEnd, AttachRequest, ContainerId, Manager};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::common::{container, exit_members, not_a_stream, window};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "attachContainer",
    aliases: &[],
    access: Access::Attached,
    parameters: &[
        "containerId*",
        "stream* (a number that the client chooses)",
        "readOnly (whether only the output is wanted)",
        "terminal (rows and columns of the client's window)",
    ],
    result: &["exitCode", "signal", "lost (bytes of output that came too fast)", "success"],
    call: |_, _| not_a_stream("attachContainer"),
};

/// What it asks for.
pub(crate) fn request(manager: &Manager, params: &Params) -> Result<(ContainerId, AttachRequest), Fault> {
    Ok((container(manager, params)?, attachment(params)?))
}

/// How the client is attached.
pub(crate) fn attachment(params: &Params) -> Result<AttachRequest, Fault> {
    Ok(AttachRequest { only_looks: params.flag("readOnly")?, terminal: window(params)? })
}

/// The result, once the container has ended.
pub(crate) fn result(end: AttachEnd) -> CallResult {
    let (code, signal) = exit_members(end.exit);
    Ok(json!({"exitCode": code, "signal": signal, "lost": end.lost, "success": true}))
}
