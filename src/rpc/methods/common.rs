//! What several methods have in common.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::control::{ContainerId, ExitStatus, Manager, WindowSize};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::method::Call;
use crate::rpc::params::Params;

/// The container that parameter `containerId` names, by its id or its descriptor.
pub(crate) fn container(manager: &Manager, params: &Params) -> Result<ContainerId, Fault> {
    Ok(manager.resolve(params.text("containerId")?)?)
}

/// The result of a method that returns nothing.
pub(crate) fn done() -> CallResult {
    Ok(json!({"success": true}))
}

/// The number that a client gives a stream.
pub(crate) fn stream_number(params: &Params) -> Result<u32, Fault> {
    let number = params.count("stream", u32::MAX.into())?.and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| Fault::parameter("parameter stream is missing"))
}

/// The outcome of a call of a method with a stream where there can be none.
pub(crate) fn not_a_stream(name: &'static str) -> Call {
    Box::pin(async move { Err(Fault::parameter(format!("{name} works on a WebSocket, outside of batches"))) })
}

/// The size of a terminal's window, in the optional parameter `terminal`.
pub(crate) fn window(params: &Params) -> Result<Option<WindowSize>, Fault> {
    let Some(size) = params.get("terminal") else { return Ok(None) };
    let side = |name: &str| size[name].as_u64().and_then(|count| u16::try_from(count).ok());
    match (side("rows"), side("columns")) {
        (Some(rows), Some(columns)) => Ok(Some(WindowSize { rows, columns })),
        _ => Err(Fault::parameter("parameter terminal must have rows and columns, up to 65535 each")),
    }
}

/// How output is put into JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As text; what is not UTF-8 is replaced.
    Text,
    /// In base64, byte for byte.
    Base64,
}

impl Encoding {
    /// Reads the optional parameter `encoding`.
    pub(crate) fn read(params: &Params) -> Result<Self, Fault> {
        match params.optional_text("encoding")? {
            None | Some("text") => Ok(Self::Text),
            Some("base64") => Ok(Self::Base64),
            Some(_) => Err(Fault::parameter("parameter encoding must be \"text\" or \"base64\"")),
        }
    }

    pub(crate) fn put(self, bytes: &[u8]) -> String {
        match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Base64 => BASE64.encode(bytes),
        }
    }
}

/// `exitCode` and `signal` of a result: one of them, or both null when the exit status is unknown.
pub(crate) fn exit_members(exit: ExitStatus) -> (Value, Value) {
    match exit {
        ExitStatus::Code(code) => (code.into(), Value::Null),
        ExitStatus::Signal(signal) => (Value::Null, signal.into()),
        ExitStatus::Unknown => (Value::Null, Value::Null),
    }
}
