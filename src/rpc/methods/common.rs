//! What several methods have in common.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::control::{ContainerId, ExitStatus, Manager};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::params::Params;

/// The container that parameter `containerId` names, by its id or its descriptor.
pub(crate) fn container(manager: &Manager, params: &Params) -> Result<ContainerId, Fault> {
    Ok(manager.resolve(params.text("containerId")?)?)
}

/// The result of a method that returns nothing.
pub(crate) fn done() -> CallResult {
    Ok(json!({"success": true}))
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
