//! The `Origin` check: which web pages may call. Everything but a browser sends no such header and passes.

use hyper::header::{HeaderMap, ORIGIN, REFERER};

use crate::rpc::errors::quoted;
use crate::server::guard::host::Hosts;
use crate::server::guard::refusal::{Refusal, header};

/// What the headers of a request say about the web page behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// No page: curl, Node, Python, ThunderJS outside a browser.
    None,
    /// A page of this allowed origin, to which the answer must be addressed.
    Allowed(String),
}

/// Finds out which page asks, and whether it may.
///
/// # Errors
/// It is a page of an origin that is neither allowed nor our own.
pub fn check(headers: &HeaderMap, allowed: &[String], hosts: Option<&Hosts>) -> Result<Page, Refusal> {
    if headers.contains_key(ORIGIN) {
        // Two headers, or one that is not text, match nothing.
        let origin = header(headers, &ORIGIN).unwrap_or_default();
        let own = hosts.is_some_and(|hosts| hosts.is_own_origin(origin));
        if own || is_allowed(allowed, origin) {
            return Ok(Page::Allowed(origin.to_owned()));
        }
        return Err(foreign(&format!("of origin {}", quoted(origin))));
    }
    // Browsers that leave the Origin out still betray themselves.
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
        && !is_allowed(allowed, ANY)
    {
        return Err(foreign("of another site"));
    }
    if headers.contains_key(REFERER) {
        let referer = header(headers, &REFERER).unwrap_or_default();
        let origin: String = referer.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let own = hosts.is_some_and(|hosts| hosts.is_own_origin(&origin));
        if !own && !is_allowed(allowed, &origin) {
            return Err(foreign(&format!("at {}", quoted(&origin))));
        }
    }
    Ok(Page::None)
}

/// The administrator's word for every page there is. It is never sent: an answer names the one page that asked.
const ANY: &str = "*";

fn is_allowed(allowed: &[String], origin: &str) -> bool {
    allowed.iter().any(|known| known == ANY || known == origin)
}

fn foreign(which: &str) -> Refusal {
    Refusal::forbidden(format!("a web page {which} asks; see --allow-origin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (&'static [(&'static str, &'static str)], Option<Page>);

    #[test]
    fn pages_pass_only_when_their_origin_is_allowed() {
        let allowed = ["http://localhost:50050".to_owned()];
        let hosts = Hosts::new(9998, Vec::new());
        let page = |origin: &str| Some(Page::Allowed(origin.to_owned()));
        let cases: [Case; 13] = [
            (&[], Some(Page::None)),
            (&[("origin", "http://localhost:50050")], page("http://localhost:50050")),
            (&[("origin", "http://127.0.0.1:9998")], page("http://127.0.0.1:9998")),
            (&[("origin", "http://localhost:50051")], None),
            (&[("origin", "http://evil.example")], None),
            (&[("origin", "null")], None),
            (&[("origin", "file://")], None),
            (&[("origin", "")], None),
            (&[("sec-fetch-site", "cross-site")], None),
            (&[("sec-fetch-site", "none")], Some(Page::None)),
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:50050")],
                page("http://localhost:50050"),
            ),
            (&[("referer", "http://evil.example/x")], None),
            (&[("referer", "http://localhost:50050/ui/index.html")], Some(Page::None)),
        ];
        for (headers, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(
                    hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                );
            }
            assert_eq!(check(&map, &allowed, Some(&hosts)).ok(), expected, "{headers:?}");
        }
    }
}
