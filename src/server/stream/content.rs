//! What an answer holds: a few bytes that are there already, or a file that is read as its client takes it.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};

use crate::server::stream::{WaitState, Waiting};

/// How much of a file is read at once, in bytes.
const CHUNK: u64 = 64 * 1024;

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// Bytes.
    Whole(Full<Bytes>),
    /// A file.
    File(FileContent),
}

/// A file, of which as much is sent as it had when the answer began. While it is sent, the connection waits for nothing: the
/// time that its client takes to read is limited by the stream.
#[derive(Debug)]
pub struct FileContent {
    file: File,
    left: u64,
    wait: WaitState,
}

impl Content {
    /// The first `size` bytes of a file, for the connection with this state.
    #[must_use]
    pub fn of_file(file: File, size: u64, wait: WaitState) -> Self {
        Self::File(FileContent { file, left: size, wait })
    }

    /// Whether the connection's state is set by this content when it has been sent.
    #[must_use]
    pub fn keeps_the_wait(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl FileContent {
    /// What comes next; `None` at the end. A file that was cut meanwhile is a failure, which ends the connection: the client
    /// must not take it for whole.
    fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.left == 0 {
            return None;
        }
        let mut chunk = Vec::new();
        let read = (&self.file).take(self.left.min(CHUNK)).read_to_end(&mut chunk);
        Some(match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                Ok(Bytes::from(chunk))
            }
            Err(error) => Err(error),
        })
    }
}

impl Drop for FileContent {
    fn drop(&mut self) {
        self.wait.set(Waiting::Idle);
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(whole) => {
                Pin::new(whole).poll_frame(cx).map_err(|never: std::convert::Infallible| match never {})
            }
            Self::File(file) => Poll::Ready(file.next().map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::File(file) => file.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::File(file) => SizeHint::with_exact(file.left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: usize, size: u64) -> (FileContent, WaitState) {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, &vec![7; bytes]).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let wait = WaitState::new(Waiting::Nothing);
        let Content::File(content) = Content::of_file(file, size, wait.clone()) else { unreachable!() };
        (content, wait)
    }

    #[test]
    fn a_file_that_grows_is_cut_and_one_that_shrinks_fails() {
        for (bytes, size, expected) in [(200_000, 200_000, Ok(200_000)), (200_000, 70_000, Ok(70_000))] {
            let (mut content, wait) = content(bytes, size);
            let all: io::Result<Vec<Bytes>> = std::iter::from_fn(|| content.next()).collect();
            let chunks = all.unwrap();
            assert_eq!(Ok::<_, ()>(chunks.iter().map(Bytes::len).sum()), expected);
            assert!(chunks.iter().all(|chunk| chunk.len() <= 64 * 1024));
            assert!(wait.silent_since().is_none());
            drop(content);
            assert!(wait.silent_since().is_some(), "the connection is idle afterwards");
        }
        let (mut content, _) = content(70_000, 100_000);
        let all: io::Result<Vec<Bytes>> = std::iter::from_fn(|| content.next()).collect();
        assert_eq!(all.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
