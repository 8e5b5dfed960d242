//! Whether a request names both a length and an encoding for its body, so that a proxy before us may see another end of it
//! than we do, and smuggle a second request in.
//!
//! hyper drops the length before anyone sees it (RFC 9112, 6.3, allows that). So the bytes are followed here as they come in,
//! from request to request. What cannot be followed counts as ambiguous from there on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::server::limits::HEADER_BYTES;

/// The requests of a connection that have an encoding, in their order: whether each has a length, too. Shared by the
/// connection and its request handler; `Send`, since hyper wants that of connections that become WebSockets.
#[derive(Debug, Clone, Default)]
pub struct Framing(Arc<Mutex<Follower>>);

impl Framing {
    /// Follows what came in.
    pub(super) fn follow(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).follow(bytes);
    }

    /// Whether the next request that has an encoding is ambiguous.
    #[must_use]
    pub fn next_is_ambiguous(&self) -> bool {
        let mut follower = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        follower.encoded.pop_front().unwrap_or(true)
    }
}

/// Where in a request the next byte lies.
#[derive(Debug, Default, PartialEq, Eq)]
enum At {
    /// In its first line, or before it.
    #[default]
    Start,
    /// In its header.
    Header,
    /// In its body, so many bytes before its end.
    Body(u64),
    /// In the line that says how long a chunk is.
    ChunkSize,
    /// In a chunk, so many bytes before its end.
    Chunk(u64),
    /// In the line end behind a chunk.
    ChunkEnd,
    /// Behind the last chunk.
    Trailer,
    /// Not known: another protocol, or what no server understands.
    Lost,
}

#[derive(Debug, Default)]
struct Follower {
    at: At,
    /// The line that has not ended yet.
    line: Vec<u8>,
    length: Option<u64>,
    has_length: bool,
    is_encoded: bool,
    upgrades: bool,
    encoded: VecDeque<bool>,
}

impl Follower {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.at != At::Lost {
            let taken = match &mut self.at {
                At::Body(left) | At::Chunk(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    taken
                }
                _ => self.add_to_line(bytes),
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            match self.at {
                At::Body(0) => self.at = At::Start,
                At::Chunk(0) => self.at = At::ChunkEnd,
                _ => {}
            }
        }
    }

    /// Takes what belongs to the line, and looks at it when it has ended.
    fn add_to_line(&mut self, bytes: &[u8]) -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.at = self.next(line.trim_ascii_end());
        } else if self.line.len() > HEADER_BYTES {
            (self.at, self.line) = (At::Lost, Vec::new());
        }
        taken
    }

    /// Where the next line is.
    fn next(&mut self, line: &[u8]) -> At {
        match self.at {
            At::Start if line.is_empty() => At::Start,
            At::Header if line.is_empty() => self.end_of_header(),
            At::Start => At::Header,
            At::Header => {
                self.field(line);
                At::Header
            }
            At::ChunkSize => match chunk_size(line) {
                Some(0) => At::Trailer,
                Some(size) => At::Chunk(size),
                None => At::Lost,
            },
            At::ChunkEnd if line.is_empty() => At::ChunkSize,
            At::Trailer if line.is_empty() => At::Start,
            At::Trailer => At::Trailer,
            At::ChunkEnd | At::Body(_) | At::Chunk(_) | At::Lost => At::Lost,
        }
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"content-length" => {
                self.has_length = true;
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                self.length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            }
            b"transfer-encoding" => self.is_encoded = true,
            b"upgrade" => self.upgrades = true,
            _ => {}
        }
    }

    fn end_of_header(&mut self) -> At {
        let Self { length, has_length, is_encoded, upgrades, encoded, .. } = std::mem::take(self);
        self.encoded = encoded;
        if is_encoded {
            self.encoded.push_back(has_length);
        }
        match (is_encoded, has_length, length) {
            _ if upgrades => At::Lost,
            (true, ..) => At::ChunkSize,
            (false, true, None) => At::Lost,
            (false, true, Some(0)) | (false, false, _) => At::Start,
            (false, true, Some(length)) => At::Body(length),
        }
    }
}

/// How long a chunk is; what follows the number does not matter.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let digits = std::str::from_utf8(line.get(..end)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "POST / HTTP/1.1\r\ncontent-length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    const ENCODED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;Content-Length: 7\r\n\r\n\n\r\n1a\r\nTransfer-Encoding: x\r\nabcd\r\n0\r\nContent-Length: 3\r\n\r\n";
    const LENGTH: &str = "\r\nPOST / HTTP/1.1\nContent-Length: 21\n\nTransfer-Encoding:\r\n\r\n";
    const NONE: &str = "GET / HTTP/1.1\r\nHost: Transfer-Encoding\r\n\r\n";

    /// Whatever the pieces in which the requests come.
    #[test]
    fn each_request_with_an_encoding_is_judged_by_its_own_header() {
        let all = [LENGTH, ENCODED, NONE, BOTH, LENGTH, BOTH, ENCODED, NONE, ENCODED].concat();
        for size in 1..all.len() {
            let framing = Framing::default();
            all.as_bytes().chunks(size).for_each(|piece| framing.follow(piece));
            let judged: Vec<bool> = (0..6).map(|_| framing.next_is_ambiguous()).collect();
            assert_eq!(judged, [false, true, true, false, false, true], "{size}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_ambiguous_and_costs_no_memory() {
        let upgrade = "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
        let long = "x".repeat(HEADER_BYTES + 1);
        for lost in ["POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", upgrade, &long] {
            let framing = Framing::default();
            framing.follow(lost.as_bytes());
            framing.follow(ENCODED.as_bytes());
            assert!(framing.next_is_ambiguous());
            assert_eq!(framing.0.lock().unwrap().line.capacity(), 0);
        }
    }
}
