//! The HTTP answers there are, with Thunder's headers.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY,
};
use hyper::{Response, StatusCode};

use crate::rpc::envelope;
use crate::rpc::errors::Fault;
use crate::rpc::id::Id;
use crate::server::guard::origin::Page;
use crate::server::guard::refusal::Refusal;
use crate::server::stream::WaitState;
use crate::server::stream::content::Content;

/// What every answer is.
pub type Answer = Response<Content>;

/// Thunder's `Cache-Control`.
const NO_CACHE: HeaderValue = HeaderValue::from_static(
    "no-cache, private, no-store, must-revalidate, max-stale=0, post-check=0, pre-check=0",
);

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Answer {
    with_body(status, Bytes::new())
}

/// An answer whose body is JSON.
#[must_use]
pub fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = with_body(status, body.into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer whose body is part of the program.
#[must_use]
pub fn bytes(status: StatusCode, body: &'static [u8]) -> Answer {
    with_body(status, Bytes::from_static(body))
}

/// An answer with the first `size` bytes of a file, for the connection with this state.
#[must_use]
pub fn file(file: std::fs::File, size: u64, wait: WaitState) -> Answer {
    let mut answer = empty(StatusCode::OK);
    *answer.body_mut() = Content::of_file(file, size, wait);
    answer
}

fn with_body(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Content::Whole(Full::new(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
    answer
}

/// The answer to a message in which nothing can be answered by itself.
#[must_use]
pub fn fault(status: StatusCode, fault: Fault) -> Answer {
    json(status, envelope::reply(&Id::null(), &Err(fault)).unwrap_or_default())
}

/// The answer of a guard.
#[must_use]
pub fn refusal(refusal: Refusal) -> Answer {
    match refusal.reason {
        Some(reason) => fault(refusal.status, Fault::not_permitted(reason)),
        None => empty(refusal.status),
    }
}

/// 405, with the methods that the path knows.
#[must_use]
pub fn wrong_method(known: &'static str) -> Answer {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(known));
    answer
}

/// The answer to a browser that asks first whether its page may call.
#[must_use]
pub fn preflight() -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers: [(HeaderName, &str); 3] = [
        (ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization"),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
    ];
    for (name, value) in headers {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Addresses the answer to the one page that asked.
pub fn address(answer: &mut Answer, page: &Page) {
    if let Page::Allowed(origin) = page
        && let Ok(origin) = HeaderValue::from_str(origin)
    {
        answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    }
}
