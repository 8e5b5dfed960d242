//! The binary frames of streams: a byte for the kind, the number of the stream as four bytes, and what it is about. Numbers
//! stand with their highest byte first.

use crate::control::{StreamPart, WindowSize};

/// How long the head of a frame is.
const HEAD: usize = 5;
/// Bytes of the command's input; none is its end. From the client.
const INPUT: u8 = 0;
/// Bytes of its standard output, or of its terminal. From the daemon.
const STDOUT: u8 = 1;
/// Bytes of its standard error. From the daemon.
const STDERR: u8 = 2;
/// How many bytes more may be sent, as four bytes: of input by the client, of output by the daemon. From the other one.
const CREDIT: u8 = 3;
/// The rows and columns of the window, as two bytes each. From the client.
const RESIZE: u8 = 4;
/// A signal for the command, as one byte. From the client.
const SIGNAL: u8 = 5;
/// No JSON text begins with a byte up to this one.
const LAST: u8 = 8;

/// Whether a binary message is a frame of a stream and not a call.
#[must_use]
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|kind| *kind <= LAST)
}

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromClient<'a> {
    /// Input.
    Input(&'a [u8]),
    /// Credit for output.
    Credit(u32),
    /// The window's size.
    Resize(WindowSize),
    /// A signal.
    Signal(u8),
}

/// What the daemon sends.
#[derive(Debug, PartialEq, Eq)]
pub enum FromDaemon<'a> {
    /// Output.
    Stdout(&'a [u8]),
    /// Error output.
    Stderr(&'a [u8]),
    /// Credit for input.
    Credit(u32),
}

/// The kind, the number and the rest of a frame.
fn split(bytes: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [kind, number @ ..] = *head;
    Some((kind, u32::from_be_bytes(number), rest))
}

fn joined(kind: u8, number: u32, rest: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + rest.len());
    frame.push(kind);
    frame.extend(number.to_be_bytes());
    frame.extend(rest);
    frame
}

impl<'a> FromClient<'a> {
    /// Reads a frame: the number of the stream, and what comes for it.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<(u32, Self)> {
        let (kind, number, rest) = split(bytes)?;
        let frame = match (kind, rest) {
            (INPUT, bytes) => Self::Input(bytes),
            (CREDIT, rest) => Self::Credit(u32::from_be_bytes(rest.try_into().ok()?)),
            (RESIZE, &[a, b, c, d]) => Self::Resize(WindowSize {
                rows: u16::from_be_bytes([a, b]),
                columns: u16::from_be_bytes([c, d]),
            }),
            (SIGNAL, &[signal]) => Self::Signal(signal),
            _ => return None,
        };
        Some((number, frame))
    }

    /// The frame for a stream.
    #[must_use]
    pub fn encode(&self, number: u32) -> Vec<u8> {
        match self {
            Self::Input(bytes) => joined(INPUT, number, bytes),
            Self::Credit(bytes) => joined(CREDIT, number, &bytes.to_be_bytes()),
            Self::Resize(size) => {
                joined(RESIZE, number, &[size.rows.to_be_bytes(), size.columns.to_be_bytes()].concat())
            }
            Self::Signal(signal) => joined(SIGNAL, number, &[*signal]),
        }
    }
}

impl<'a> FromDaemon<'a> {
    /// Reads a frame: the number of the stream, and what comes from it.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<(u32, Self)> {
        let (kind, number, rest) = split(bytes)?;
        let frame = match kind {
            STDOUT => Self::Stdout(rest),
            STDERR => Self::Stderr(rest),
            CREDIT => Self::Credit(u32::from_be_bytes(rest.try_into().ok()?)),
            _ => return None,
        };
        Some((number, frame))
    }
}

/// The frame for what comes out of a stream.
#[must_use]
pub fn encode(number: u32, part: &StreamPart) -> Vec<u8> {
    match part {
        StreamPart::Stdout(bytes) => joined(STDOUT, number, bytes),
        StreamPart::Stderr(bytes) => joined(STDERR, number, bytes),
        StreamPart::Credit(bytes) => {
            joined(CREDIT, number, &u32::try_from(*bytes).unwrap_or(u32::MAX).to_be_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let size = WindowSize { rows: 24, columns: 0x1_00 };
        for frame in [
            FromClient::Input(b"\xff\0"),
            FromClient::Input(b""),
            FromClient::Credit(70_000),
            FromClient::Resize(size),
            FromClient::Signal(15),
        ] {
            let bytes = frame.encode(0x0102_0304);
            assert!(is_one(&bytes));
            assert_eq!(FromClient::decode(&bytes), Some((0x0102_0304, frame)));
        }
        for (part, frame) in [
            (StreamPart::Stdout(b"a".to_vec()), FromDaemon::Stdout(b"a")),
            (StreamPart::Stderr(Vec::new()), FromDaemon::Stderr(b"")),
            (StreamPart::Credit(9), FromDaemon::Credit(9)),
        ] {
            assert_eq!(FromDaemon::decode(&encode(7, &part)), Some((7, frame)));
        }
    }

    #[test]
    fn calls_are_not_frames_and_damaged_frames_are_nothing() {
        for call in ["", "{}", "[]", " {}", "\t{}", "\n{}", "hello"] {
            assert!(!is_one(call.as_bytes()), "{call:?}");
        }
        for damaged in
            [&[0][..], &[0, 0, 0, 1], &[3, 0, 0, 0, 1, 5], &[4, 0, 0, 0, 1], &[5, 0, 0, 0, 1, 1, 1]]
        {
            assert_eq!(FromClient::decode(damaged), None);
        }
        for kind in [1, 2, 6, 7, 8] {
            assert_eq!(FromClient::decode(&[kind, 0, 0, 0, 1]), None);
        }
    }
}
