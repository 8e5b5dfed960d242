//! The id of a request, echoed exactly as it came.

use serde_json::value::RawValue;

use super::errors::Fault;

/// The id of a request. It is kept as text, so that a number of any size and precision comes back unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// No `id` member: a notification, to which nobody wants an answer.
    Absent,
    /// A number, a string or null, as JSON text.
    Text(String),
}

impl Id {
    /// The id that was sent as `raw`.
    ///
    /// # Errors
    /// -32600 for a boolean, an array or an object.
    pub(super) fn read(raw: Option<&RawValue>) -> Result<Self, Fault> {
        Self::of(raw.map(RawValue::get))
    }

    pub(super) fn of(text: Option<&str>) -> Result<Self, Fault> {
        match text {
            None => Ok(Self::Absent),
            Some(text) if text.starts_with(['[', '{', 't', 'f']) => {
                Err(Fault::invalid("an id must be a number, a string or null"))
            }
            Some(text) => Ok(Self::Text(text.to_owned())),
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
    fn every_id_a_client_may_send_is_echoed_exactly() {
        let echoed =
            ["0", "-1", "3.5", "1e3", "4294967296", "18446744073709551616", "\"abc\"", "\"\\u0041\"", "null"];
        for text in echoed {
            assert_eq!(Id::of(Some(text)).unwrap().text(), Some(text));
        }
        for text in ["true", "false", "[1]", "{}"] {
            assert_eq!(Id::of(Some(text)).unwrap_err().code, -32600, "{text}");
        }
        assert_eq!(Id::of(None).unwrap(), Id::Absent);
    }
}
