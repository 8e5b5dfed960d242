//! Moves the bytes of a command: no faster than its client takes them, and nothing is kept here meanwhile.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::control::model::stream::{Inlet, Outlet, StreamPart};

/// The most bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// What a pipe or a terminal can hold: so much may still come from a command that has ended. More than that is from something
/// that it left behind.
const LEFT: usize = 128 * 1024;

/// Passes on what the command writes to one of its outputs, to the end of that; after the end of the command, which `ended`
/// says, only what is there.
pub(crate) async fn pump(
    from: Option<&AsyncFd<OwnedFd>>,
    part: fn(Vec<u8>) -> StreamPart,
    inlet: &Inlet,
    outlet: &impl Outlet,
    mut ended: watch::Receiver<bool>,
) {
    let Some(from) = from else { return };
    loop {
        let mut ready = tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => break,
            ready = from.readable() => match ready {
                Ok(ready) => ready,
                Err(_gone) => return,
            },
        };
        match step(from.get_ref(), CHUNK, part, inlet, outlet).await {
            Moved::Bytes(_) => {}
            Moved::NothingThere => ready.clear_ready(),
            Moved::End => return,
        }
    }
    let mut left = LEFT;
    while left > 0 {
        match step(from.get_ref(), left.min(CHUNK), part, inlet, outlet).await {
            Moved::Bytes(count) => left = left.saturating_sub(count),
            Moved::NothingThere | Moved::End => return,
        }
    }
}

/// What became of a try to move some bytes.
enum Moved {
    Bytes(usize),
    NothingThere,
    End,
}

/// Moves up to `most` bytes, once the client takes some.
async fn step(
    from: &OwnedFd,
    most: usize,
    part: fn(Vec<u8>) -> StreamPart,
    inlet: &Inlet,
    outlet: &impl Outlet,
) -> Moved {
    let credit = inlet.reserve(most).await;
    let mut bytes = vec![0; credit.bytes()];
    match rustix::io::read(from, &mut bytes) {
        Ok(0) => Moved::End,
        Ok(count) => {
            credit.used(count);
            drop(credit);
            bytes.truncate(count);
            outlet.put(part(bytes)).await;
            Moved::Bytes(count)
        }
        Err(Errno::AGAIN | Errno::INTR) => Moved::NothingThere,
        // A terminal without a program at its other end.
        Err(_) => Moved::End,
    }
}

/// Feeds the command its input, to the end of that or until it takes no more.
pub(crate) async fn feed(to: AsyncFd<OwnedFd>, inlet: &Inlet, outlet: &impl Outlet) {
    while let Some(bytes) = inlet.next().await {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let Ok(mut ready) = to.writable().await else { return };
            match rustix::io::write(&to, rest) {
                Ok(count) => {
                    rest = rest.get(count..).unwrap_or_default();
                    inlet.taken(count);
                    outlet.put(StreamPart::Credit(count)).await;
                }
                Err(Errno::AGAIN | Errno::INTR) => ready.clear_ready(),
                // It has closed its input. The client gets no more credit for any.
                Err(_) => return,
            }
        }
    }
}
