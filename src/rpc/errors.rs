//! Failures as a client sees them: Thunder's code and message, our reason beside them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind};

/// The outcome of one call.
pub type CallResult = Result<Value, Fault>;

/// The error member of an answer. The numbers and texts are those of Thunder 4.4, which clients know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The JSON-RPC error code.
    pub code: i32,
    /// The text that belongs to the code.
    pub message: Cow<'static, str>,
    /// What went wrong in this case, for people.
    pub reason: Option<String>,
    /// The kind of a failed operation; only the command line `ocicontainer` gets it.
    pub kind: Option<ErrorKind>,
    /// Whether the answer names the kind.
    with_kind: bool,
}

impl Fault {
    fn new(code: i32, message: &'static str, reason: Option<String>) -> Self {
        Self { code, message: Cow::Borrowed(message), reason, kind: None, with_kind: false }
    }

    /// The bytes are not JSON.
    pub fn parse(reason: impl Into<String>) -> Self {
        Self::new(-32700, "Parse error.", Some(reason.into()))
    }

    /// JSON, but not a request.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::new(-32600, "Invalid request.", Some(reason.into()))
    }

    /// No such method.
    #[must_use]
    pub fn unknown_method() -> Self {
        Self::new(-32601, "Unknown method.", None)
    }

    /// The same event and prefix registered before on this connection.
    #[must_use]
    pub fn registered_already() -> Self {
        Self::new(-32601, "Registration already done!!!.", None)
    }

    /// Nothing to unregister.
    #[must_use]
    pub fn not_registered() -> Self {
        Self::new(-32601, "Unregister was already done!!!.", None)
    }

    /// A version of the interface that does not exist.
    #[must_use]
    pub fn unsupported_version() -> Self {
        Self::new(45, "Requested version is not supported.", Some("there is only version 1".to_owned()))
    }

    /// A callsign that is not here.
    #[must_use]
    pub fn unknown_callsign(callsign: &str) -> Self {
        Self::new(2, "ERROR_UNAVAILABLE", Some(format!("there is no plugin {} here", quoted(callsign))))
    }

    /// The Controller was asked about a callsign that is not here.
    #[must_use]
    pub fn unknown_key(reason: impl Into<String>) -> Self {
        Self::new(22, "ERROR_UNKNOWN_KEY", Some(reason.into()))
    }

    /// The plugin waits for its activation.
    #[must_use]
    pub fn inactive() -> Self {
        let reason = "the plugin is deactivated; call Controller.1.activate";
        Self::new(5, "The service is in an illegal state!!!.", Some(reason.to_owned()))
    }

    /// A guard refuses the call.
    pub fn not_permitted(reason: impl Into<String>) -> Self {
        Self::new(-32604, "method invokation not allowed.", Some(reason.into()))
    }

    /// A parameter is missing, of the wrong type, or not usable.
    pub fn parameter(reason: impl Into<String>) -> Self {
        Self { kind: Some(ErrorKind::Input), ..Self::new(1, "ERROR_GENERAL", Some(reason.into())) }
    }

    /// The same fault, its answer naming the kind: what our own command line makes its exit code from.
    #[must_use]
    pub fn with_error_kind(mut self) -> Self {
        self.with_kind = true;
        self
    }

    /// The error member.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), self.code.into());
        error.insert("message".to_owned(), self.message.as_ref().into());
        if let Some(reason) = &self.reason {
            error.insert("data".to_owned(), reason.as_str().into());
        }
        if let (Some(kind), true) = (self.kind, self.with_kind) {
            error.insert("kind".to_owned(), kind_name(kind).into());
        }
        error.into()
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        // It may quote the client or the runtime at length.
        let reason = beginning(&error.report(), 4096).to_owned();
        Self { kind: Some(error.kind()), ..Self::new(1, "ERROR_GENERAL", Some(reason)) }
    }
}

/// A client's text in quotes, cut where it gets too long for an answer or a log line.
#[must_use]
pub fn quoted(text: &str) -> String {
    let beginning = beginning(text, 128);
    if beginning.len() < text.len() { format!("{beginning:?}...") } else { format!("{text:?}") }
}

/// At most the first `longest` characters.
fn beginning(text: &str, longest: usize) -> &str {
    text.char_indices().nth(longest).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Every kind with its name on the wire.
const KINDS: [(ErrorKind, &str); 13] = [
    (ErrorKind::Usage, "usage"),
    (ErrorKind::Input, "input"),
    (ErrorKind::Config, "config"),
    (ErrorKind::Attack, "attack"),
    (ErrorKind::Busy, "busy"),
    (ErrorKind::NoSpace, "no-space"),
    (ErrorKind::Corrupt, "corrupt"),
    (ErrorKind::Unsupported, "unsupported"),
    (ErrorKind::NotFound, "not-found"),
    (ErrorKind::Timeout, "timeout"),
    (ErrorKind::Unreachable, "unreachable"),
    (ErrorKind::Bundle, "bundle"),
    (ErrorKind::System, "system"),
];

/// The name of a kind on the wire.
fn kind_name(kind: ErrorKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("system", |(_, name)| name)
}

/// The kind that a name on the wire stands for.
#[must_use]
pub fn kind_of(name: &str) -> ErrorKind {
    KINDS.iter().find(|(_, known)| *known == name).map_or(ErrorKind::System, |(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_operation_is_thunders_error_with_our_reason() {
        let fault: Fault = Error::new(ErrorKind::Busy, "cannot start x").advise("stop it first").into();
        assert_eq!(
            fault.to_json().to_string(),
            r#"{"code":1,"message":"ERROR_GENERAL","data":"cannot start x; stop it first"}"#
        );
        let named = fault.with_error_kind().to_json();
        assert_eq!(named["kind"], "busy");
        assert_eq!(kind_of("busy"), ErrorKind::Busy);
    }

    #[test]
    fn a_clients_text_is_quoted_and_cut() {
        assert_eq!(quoted("a\n\u{202e}b"), r#""a\n\u{202e}b""#);
        assert_eq!(quoted(&"ż".repeat(1000)).chars().count(), 128 + 2 + 3);
    }
}
