//! `execStream`: runs a command in a running container with its input and output as frames of the same WebSocket.
//!
//! Not in Thunder's plugin. Parameters: `containerId`; `command` and `options` as of `runCommand`; `stream`, the number that the
//! client gives the stream and that stands in its frames; `terminal`, an object with the `rows` and `columns` of the window,
//! for a terminal instead of three pipes; `timeout` in milliseconds, after which the command is killed. Result, at the end:
//! `exitCode` or `signal`, `timedOut`, `success`. A client that goes away takes its command with it.

use serde_json::json;

use crate::control::{ContainerId, Manager, StreamEnd, StreamRequest};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::command::run_command;
use crate::rpc::methods::common::{container, exit_members, not_a_stream, window};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "execStream",
    aliases: &[],
    access: Access::Attached,
    parameters: &[
        "containerId*",
        "command* (a line, or an array of words)",
        "stream* (a number that the client chooses)",
        "options",
        "terminal (rows and columns of its window; without it, three pipes)",
        "timeout (milliseconds, default none)",
    ],
    result: &["exitCode", "signal", "timedOut", "success"],
    call: |_, _| not_a_stream("execStream"),
};

/// What it asks for.
pub(crate) fn request(manager: &Manager, params: &Params) -> Result<(ContainerId, StreamRequest), Fault> {
    let exec = run_command::request(params)?;
    let terminal = window(params)?;
    let timeout = params.milliseconds("timeout")?;
    Ok((container(manager, params)?, StreamRequest { exec, terminal, timeout }))
}

/// The result, once the command has ended.
pub(crate) fn result(end: StreamEnd) -> CallResult {
    let (code, signal) = exit_members(end.exit);
    Ok(json!({"exitCode": code, "signal": signal, "timedOut": end.timed_out, "success": true}))
}
