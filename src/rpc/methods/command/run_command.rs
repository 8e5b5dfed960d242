//! `runCommand`: runs a command in a running container to its end and gives its exit code and output.
//!
//! Not in Thunder's plugin. Parameters: `containerId`; `command`, split as by `executeCommand`, or an array of words; `options`
//! as there; `timeout` in milliseconds (default 30 s), after which the command is killed; `bytes` of each of stdout and
//! stderr that are kept (default and at most 256 KiB); `encoding` (`text` or `base64`). Result: `exitCode` or `signal`,
//! `stdout`, `stderr`, `truncated`, `timedOut`, `success`.
//! A client that goes away takes its command with it.

use serde_json::{Value, json};

use crate::control::{ExecLimits, ExecRequest, Manager};
use crate::rpc::errors::CallResult;
use crate::rpc::errors::Fault;
use crate::rpc::methods::common::{Encoding, container, exit_members};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "runCommand",
    aliases: &[],
    access: Access::Attached,
    parameters: &[
        "containerId*",
        "command* (a line, or an array of words)",
        "options",
        "timeout (milliseconds, default 30000)",
        "bytes (of each of stdout and stderr, default and at most 262144)",
        "encoding",
    ],
    result: &["exitCode", "signal", "stdout", "stderr", "truncated", "timedOut", "success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

/// The most output that is kept of either stream, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

async fn call(manager: Manager, params: Params) -> CallResult {
    let request = request(&params)?;
    let limits = limits(&params)?;
    let encoding = Encoding::read(&params)?;
    let output = manager.exec_wait(&container(&manager, &params)?, request, limits).await?;
    let (code, signal) = exit_members(output.exit);
    Ok(json!({
        "exitCode": code,
        "signal": signal,
        "stdout": encoding.put(&output.stdout),
        "stderr": encoding.put(&output.stderr),
        "truncated": output.truncated,
        "timedOut": output.timed_out,
        "success": true,
    }))
}

/// The command, a line or an array of words, and its options.
pub(crate) fn request(params: &Params) -> Result<ExecRequest, Fault> {
    let options = params.optional_text("options")?.unwrap_or_default();
    match params.get("command") {
        Some(Value::Array(_)) => {
            Ok(ExecRequest { command: params.texts("command")?, ..ExecRequest::parse("", options)? })
        }
        _ => Ok(ExecRequest::parse(params.text("command")?, options)?),
    }
}

fn limits(params: &Params) -> Result<ExecLimits, Fault> {
    let default = ExecLimits::default();
    let output = params.count("bytes", MAX_BYTES)?.and_then(|bytes| usize::try_from(bytes).ok());
    let timeout = params.milliseconds("timeout")?.unwrap_or(default.timeout);
    Ok(ExecLimits { timeout, output: output.unwrap_or(default.output) })
}
