//! Moves the bytes of a command: no faster than its client takes them, and nothing is kept here meanwhile.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::control::model::stream::{Inlet, Outlet, StreamPart};

/// The most bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// What a pipe or a terminal can hold: so much may still come from a command that has ended. More than that is from something
/// that it left behind.
const LEFT: usize = 128 * 1024;

/// How long until a terminal that no program has open is tried again.
const HUNG_UP_PAUSE: Duration = Duration::from_millis(100);

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

/// What became of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// All of it was taken, and there will be no more.
    All,
    /// The program has closed its input. The client gets no more credit for any.
    Closed,
}

/// Input on its way to a program. What one did not take before its end is there for the next one.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    rest: Vec<u8>,
    /// Credit that the client is to get.
    owed: usize,
}

impl Feed {
    /// Feeds a program its input, to the end of that or until it takes no more; says `taken` whenever it has taken some. May be
    /// dropped and called again.
    pub(crate) async fn run(
        &mut self,
        to: &AsyncFd<OwnedFd>,
        inlet: &Inlet,
        outlet: &impl Outlet,
        taken: impl Fn(),
    ) -> Fed {
        loop {
            if self.owed > 0 {
                outlet.put(StreamPart::Credit(self.owed)).await;
                self.owed = 0;
            }
            if self.rest.is_empty() {
                match inlet.next().await {
                    Some(bytes) => self.rest = bytes,
                    None => return Fed::All,
                }
            }
            let Ok(mut ready) = to.writable().await else { return Fed::Closed };
            match rustix::io::write(to, &self.rest) {
                Ok(count) => {
                    self.rest.drain(..count);
                    inlet.taken(count);
                    self.owed += count;
                    taken();
                }
                Err(Errno::AGAIN | Errno::INTR) => {
                    let is_hung_up = ready.ready().is_write_closed();
                    ready.clear_ready();
                    // That counts as ready for ever. Another program may open the terminal and read.
                    if is_hung_up {
                        sleep(HUNG_UP_PAUSE).await;
                    }
                }
                Err(_) => return Fed::Closed,
            }
        }
    }
}
