//! The optional bearer token of TCP callers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hyper::header::{AUTHORIZATION, HeaderMap};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host::read_text;
use crate::server::guard::refusal::header;

/// The largest token file that is read, in bytes.
const MAX_FILE: u64 = 4096;
/// The shortest token worth the name.
const MIN_LENGTH: usize = 16;

/// Reads the token from its file; white space around it does not count.
///
/// # Errors
/// The file is unreadable, readable for others, or its content too short or not printable.
pub fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    let mode = std::fs::metadata(path).tried(|| format!("cannot look at the token file {shown}"))?.mode();
    if mode & 0o077 != 0 {
        let what = format!("refused the token file {shown}: others may read or write it");
        return Err(Error::new(ErrorKind::Config, what).advise(format!("chmod 600 {shown}")));
    }
    let text = read_text(path, MAX_FILE)?;
    let token = text.trim();
    if token.len() < MIN_LENGTH || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what =
            format!("refused the token file {shown}: a token is at least {MIN_LENGTH} printable characters");
        return Err(Error::new(ErrorKind::Config, what));
    }
    Ok(token.to_owned())
}

/// Whether the `Authorization` header presents `token`.
#[must_use]
pub fn in_header(headers: &HeaderMap, token: &str) -> bool {
    let presented = header(headers, &AUTHORIZATION).and_then(|value| value.split_once(' '));
    presented
        .is_some_and(|(scheme, value)| scheme.eq_ignore_ascii_case("bearer") && same(value.trim(), token))
}

/// Whether the query presents `token` as `token=`, Thunder's way for WebSockets.
#[must_use]
pub fn in_query(query: Option<&str>, token: &str) -> bool {
    let mut pairs = query.unwrap_or_default().split('&');
    pairs.any(|pair| pair.strip_prefix("token=").is_some_and(|value| same(value, token)))
}

/// Compares in constant time.
fn same(presented: &str, token: &str) -> bool {
    let (presented, token) = (presented.as_bytes(), token.as_bytes());
    let difference = presented.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0 && presented.len() == token.len()
}
