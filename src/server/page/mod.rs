//! The page: what the box does at one look, for a browser. Static files inside the program, and three things to read: an
//! overview, the list of dumps, and a dump's bytes. All else it does through the API, as any client. Nothing here changes
//! anything.
//!
//! - `asset`: the static files, with the headers that keep a browser from running anything else.
//! - `data`: what the page reads.

mod asset;
mod data;

use hyper::{Method, Request, StatusCode};

use crate::server::answer;
use crate::server::answer::Answer;
use crate::server::connection::Connection;
use crate::server::page::asset::Asset;

/// Something that the page is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A static file.
    Asset(&'static Asset),
    /// Health, version, limits, and all containers.
    Overview,
    /// The list of dumps.
    Dumps,
    /// The bytes of the dump with this key.
    Dump(&'a str),
    /// The stacks in the dump with this key.
    Stack(&'a str),
}

/// The part at a path, if there is one.
#[must_use]
pub fn part(path: &str) -> Option<Part<'_>> {
    match path {
        "/page/overview" => Some(Part::Overview),
        "/page/dumps" => Some(Part::Dumps),
        _ => match path.strip_prefix("/page/dumps/") {
            Some(rest) => match rest.strip_suffix("/stack") {
                Some(key) => is_key(key).then_some(Part::Stack(key)),
                None => is_key(rest).then_some(Part::Dump(rest)),
            },
            None => Asset::at(path).map(Part::Asset),
        },
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Answers a request for a part. The static files hold nothing of this box, so that they need no token: a browser could not
/// present one.
pub async fn answer<B>(connection: &Connection, request: &Request<B>, part: Part<'_>) -> Answer {
    if *request.method() != Method::GET && *request.method() != Method::HEAD {
        return answer::wrong_method("GET, HEAD");
    }
    if let Part::Asset(asset) = part {
        return asset.answer();
    }
    if !connection.daemon.guard.token_presented(&connection.channel, request, false) {
        return answer::empty(StatusCode::UNAUTHORIZED);
    }
    let mut answer = match part {
        Part::Overview => data::overview(connection),
        Part::Dumps => data::dumps(connection).await,
        Part::Dump(key) => data::dump(connection, key).await,
        Part::Stack(key) => data::stack(connection, key).await,
        Part::Asset(asset) => asset.answer(),
    };
    asset::guard(&mut answer);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_one_path_and_nothing_else_has_one() {
        for path in ["/", "/page.css", "/page.js", "/page/api.js", "/page/text.js"] {
            assert!(matches!(part(path), Some(Part::Asset(_))), "{path}");
        }
        assert_eq!(part("/page/overview"), Some(Part::Overview));
        assert_eq!(part("/page/dumps"), Some(Part::Dumps));
        assert_eq!(part("/page/dumps/0aF"), Some(Part::Dump("0aF")));
        assert_eq!(part("/page/dumps/0aF/stack"), Some(Part::Stack("0aF")));
        let others = [
            "",
            "//",
            "/page",
            "/api.js",
            "/page/api.js/",
            "/page/",
            "/page/dumps/",
            "/page/dumps/../x",
            "/page/dumps/a.dmp",
            "/page/dumps//stack",
            "/page/dumps/stack",
            "/page/dumps/../stack",
            "/page/dumps/0a/stack/",
        ];
        for path in
            others.into_iter().chain(["/healthz", "/jsonrpc", "/index.html", "/page.html", "/Service"])
        {
            assert_eq!(part(path), None, "{path}");
        }
    }
}
