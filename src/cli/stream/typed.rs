//! The user's input on its way to the daemon, which takes only so much that the program has not.
//!
//! What is typed where keys detach is read at once, for these keys, and waits here.

use std::collections::VecDeque;

use crate::cli::stream::keys::DetachKeys;

/// The most input that is read or sent at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// The most input that waits here, in bytes.
const MAX_WAITING: usize = 1024 * 1024;

/// The keys that end the input of a program on a terminal (Ctrl-D): behind a part of a line, the first one ends only that.
const END_OF_INPUT: [u8; 2] = [4, 4];

/// The user's input.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// How much more the daemon takes.
    room: usize,
    /// How much of what was sent the program has not taken.
    untaken: usize,
    waiting: VecDeque<u8>,
    keys: Option<DetachKeys>,
    /// How much was dropped, for lack of room here.
    dropped: usize,
    has_ended: bool,
    /// Whether it ends within a line.
    is_within_line: bool,
}

impl Typed {
    /// From now on there are keys that detach.
    pub(crate) fn look_for_keys(&mut self) {
        self.keys.get_or_insert_default();
    }

    /// The daemon takes so much at first.
    pub(crate) fn begin(&mut self, room: usize) {
        self.room = room;
    }

    /// The program took so much, and the daemon takes as much again.
    pub(crate) fn taken(&mut self, bytes: usize) {
        self.room = self.room.saturating_add(bytes);
        self.untaken = self.untaken.saturating_sub(bytes);
    }

    /// Whether to read some now; `is_sent` says whether all that was sent is on its way.
    pub(crate) fn wants(&self, is_sent: bool) -> bool {
        self.wanted() > 0 && (is_sent || self.keys.is_some())
    }

    /// How many bytes to read now.
    pub(crate) fn wanted(&self) -> usize {
        match self.keys {
            Some(_) => CHUNK,
            None if self.waiting.is_empty() => self.room.min(CHUNK),
            None => 0,
        }
    }

    /// Takes what was read; whether the keys that detach came at its end.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.is_within_line = bytes.last().map_or(self.is_within_line, |last| *last != b'\n');
        let Some(keys) = &mut self.keys else {
            self.waiting.extend(bytes);
            return false;
        };
        let (bytes, is_detached) = keys.pass(bytes);
        let fits = bytes.len().min(MAX_WAITING.saturating_sub(self.waiting.len()));
        self.waiting.extend(bytes.iter().take(fits));
        self.dropped += bytes.len() - fits;
        is_detached
    }

    /// Nothing more will come. Where it feeds a terminal, a key says so.
    pub(crate) fn end(&mut self, feeds_terminal: bool) {
        if feeds_terminal {
            self.waiting.extend(END_OF_INPUT.iter().take(if self.is_within_line { 2 } else { 1 }));
        }
        self.has_ended = true;
    }

    /// What to send next, if the daemon takes some; nothing in it is the end of the input, which comes once.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        if self.waiting.is_empty() {
            return std::mem::take(&mut self.has_ended).then(Vec::new);
        }
        let count = self.room.min(CHUNK).min(self.waiting.len());
        self.room -= count;
        self.untaken += count;
        let next: Vec<u8> = self.waiting.drain(..count).collect();
        (!next.is_empty()).then_some(next)
    }

    /// How many bytes the program has not taken, as far as is known.
    pub(crate) fn left(&self) -> usize {
        self.untaken + self.waiting.len() + self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_seen_behind_whatever_is_not_taken() {
        let mut typed = Typed::default();
        typed.begin(10);
        typed.look_for_keys();
        for _ in 0..200 {
            assert!(!typed.push(&[b'x'; CHUNK]));
            assert_eq!(typed.wanted(), CHUNK);
        }
        assert_eq!((typed.next(), typed.next()), (Some(vec![b'x'; 10]), None));
        assert_eq!((typed.waiting.len(), typed.left()), (MAX_WAITING - 10, 200 * CHUNK));
        typed.taken(4);
        assert_eq!((typed.next(), typed.left()), (Some(vec![b'x'; 4]), 200 * CHUNK - 4));
        assert!(!typed.push(b"a\x10"));
        assert!(typed.push(b"\x11"));
    }

    #[test]
    fn input_without_keys_is_read_as_it_is_taken_and_has_one_end() {
        let mut typed = Typed::default();
        assert_eq!((typed.wanted(), typed.next()), (0, None));
        typed.begin(20_000);
        assert_eq!(typed.wanted(), CHUNK);
        assert!(!typed.push(b"a\x10\x11b"));
        assert_eq!(typed.wanted(), 0);
        typed.end(false);
        let next = [typed.next(), typed.next(), typed.next()];
        assert_eq!(next, [Some(b"a\x10\x11b".to_vec()), Some(vec![]), None]);
        assert_eq!((typed.left(), typed.wanted()), (4, CHUNK));
        typed.taken(4);
        assert_eq!(typed.left(), 0);
    }
}
