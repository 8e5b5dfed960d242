//! What a guard refuses, and how it reads headers.

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};

/// A request that a guard refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status of the answer.
    pub status: StatusCode,
    /// Why, for the log and for the caller; `None` for an empty answer.
    pub reason: Option<String>,
}

impl Refusal {
    /// 403, with the reason.
    #[must_use]
    pub fn forbidden(reason: String) -> Self {
        Self { status: StatusCode::FORBIDDEN, reason: Some(reason) }
    }
}

/// The one value of a header that is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}
