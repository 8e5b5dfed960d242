//! The id of a request, echoed as it came.

use serde_json::Value;

use crate::rpc::errors::Fault;

/// The id of a request, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// No `id` member: a notification, which gets no answer.
    Absent,
    /// A number, a string or null. Whole numbers of up to 64 bits come back digit for digit, others as the nearest
    /// number of double precision.
    Text(String),
}

impl Id {
    /// The id that was sent.
    ///
    /// # Errors
    /// -32600 for a boolean, an array or an object.
    pub(super) fn read(sent: Option<&Value>) -> Result<Self, Fault> {
        match sent {
            None => Ok(Self::Absent),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Err(Fault::invalid("an id must be a number, a string or null"))
            }
            Some(id) => Ok(Self::Text(id.to_string())),
        }
    }

    /// The id of an answer to something that had no readable one.
    #[must_use]
    pub fn null() -> Self {
        Self::Text("null".to_owned())
    }

    /// The JSON text to echo; `None` for a notification.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::Text(text) => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_a_client_may_send_is_echoed() {
        let read = |text: &str| Id::read(Some(&serde_json::from_str(text).unwrap()));
        let echoed =
            ["0", "-1", "3.5", "4294967296", "18446744073709551615", "-9223372036854775808", "\"a\"", "null"];
        for text in echoed {
            assert_eq!(read(text).unwrap().text(), Some(text));
        }
        for text in ["true", "false", "[1]", "{}"] {
            assert_eq!(read(text).unwrap_err().code, -32600, "{text}");
        }
        assert_eq!(Id::read(None).unwrap(), Id::Absent);
    }
}
