//! The static files of the page, and the headers that it comes with.

use hyper::StatusCode;
use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use crate::server::answer;
use crate::server::answer::Answer;

/// A static file.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: &[Asset] = &[
    Asset { path: "/", kind: HTML, text: include_str!("page.html") },
    Asset { path: "/page.css", kind: CSS, text: include_str!("page.css") },
    Asset { path: "/page.js", kind: SCRIPT, text: include_str!("page.js") },
    Asset { path: "/page/api.js", kind: SCRIPT, text: include_str!("api.js") },
    Asset { path: "/page/containers.js", kind: SCRIPT, text: include_str!("containers.js") },
    Asset { path: "/page/crashes.js", kind: SCRIPT, text: include_str!("crashes.js") },
    Asset { path: "/page/detail.js", kind: SCRIPT, text: include_str!("detail.js") },
    Asset { path: "/page/text.js", kind: SCRIPT, text: include_str!("text.js") },
];

/// A browser runs and shows nothing but our own files, takes text of containers for text, and lets no other page frame this
/// one. Trusted types refuse whatever would make markup of a text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

impl Asset {
    /// The file at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.path == path)
    }

    /// The answer with the file.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mut answer = answer::bytes(StatusCode::OK, self.text.as_bytes());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        guard(&mut answer);
        answer
    }
}

/// Adds the headers that keep other pages, and what containers wrote, out of this one.
pub(super) fn guard(answer: &mut Answer) {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
