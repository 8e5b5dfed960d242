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
    presented.is_some_and(|(scheme, value)| {
        scheme.eq_ignore_ascii_case("bearer") && same(value.trim().as_bytes(), token)
    })
}

/// Whether the query presents `token` as `token=`, Thunder's way for WebSockets: as it is, or percent-encoded as browsers
/// must send some characters.
#[must_use]
pub fn in_query(query: Option<&str>, token: &str) -> bool {
    let mut pairs = query.unwrap_or_default().split('&');
    let presents = |value: &str| same(value.as_bytes(), token) | same(&decoded(value), token);
    pairs.any(|pair| pair.strip_prefix("token=").is_some_and(presents))
}

/// Without percent-encoding (RFC 3986, 2.1); what is malformed stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|_| *first == b'%').filter(|text| !text.starts_with('+'));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = after.get(2..).unwrap_or_default()),
            None => (bytes.push(*first), rest = after),
        };
    }
    bytes
}

/// Compares in constant time.
fn same(presented: &[u8], token: &str) -> bool {
    let token = token.as_bytes();
    let difference = presented.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0 && presented.len() == token.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_presents_the_token_as_it_is_or_encoded() {
        let token = "a+b/c=%41&d#0123456789";
        let cases = [
            (Some("token=a+b/c=%41"), false),
            (Some("token=a%2Bb%2Fc%3D%2541%26d%230123456789"), true),
            (Some("x=y&token=a%2bb/c=%2541%26d%230123456789"), true),
            (Some("token=a+b/c=%41%26d%230123456789"), false),
            (Some("token="), false),
            (Some("token=%"), false),
            (Some("token=%4"), false),
            (None, false),
        ];
        for (query, presented) in cases {
            assert_eq!(in_query(query, token), presented, "{query:?}");
        }
        assert!(in_query(Some("token=0%4123456789abcdef"), "0%4123456789abcdef"));
        assert!(in_query(Some("token=%zz%+1%"), "%zz%+1%"));
    }
}
