//! A command whose input and output are streams: what is asked for, what goes in, what comes out.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{Notify, Semaphore};

use crate::control::model::request::{ExecRequest, WindowSize};
use crate::control::model::state::ExitStatus;
use crate::error::{Error, ErrorKind};

/// How many bytes may be under way in each direction at first: input that the program has not taken, output that the client
/// has not.
pub const WINDOW: usize = 64 * 1024;
/// The most bytes of output for which a client may give credit at a time.
const MAX_CREDIT: usize = 1024 * 1024;

/// A command to run with streams.
#[derive(Debug)]
pub struct StreamRequest {
    /// The command.
    pub exec: ExecRequest,
    /// The window of the terminal that the command gets; without one it gets three pipes.
    pub terminal: Option<WindowSize>,
    /// How long it may run; then it is killed.
    pub timeout: Option<Duration>,
}

/// What a client wants of a container that it attaches to.
#[derive(Debug, Clone, Copy)]
pub struct AttachRequest {
    /// Whether it wants the output only.
    pub only_looks: bool,
    /// The window for the container's terminal, if it has one.
    pub terminal: Option<WindowSize>,
}

/// How a container ended to which a client was attached.
#[derive(Debug, Clone, Copy)]
pub struct AttachEnd {
    /// Its exit status.
    pub exit: ExitStatus,
    /// How many bytes of output the client missed: it took them more slowly than they were written.
    pub lost: u64,
}

/// How a command with streams ended.
#[derive(Debug, Clone, Copy)]
pub struct StreamEnd {
    /// Its exit status.
    pub exit: ExitStatus,
    /// Whether it was killed because its time was over.
    pub timed_out: bool,
}

/// What comes out of a stream.
#[derive(Debug)]
pub enum StreamPart {
    /// Bytes of its standard output, or of its terminal.
    Stdout(Vec<u8>),
    /// Bytes of its standard error.
    Stderr(Vec<u8>),
    /// It runs, and took this many bytes of input, or has room for them at first.
    Credit(usize),
}

/// Where a stream comes out.
pub trait Outlet {
    /// Passes a part on; waits until there is room for it.
    fn put(&self, part: StreamPart) -> impl Future<Output = ()>;
}

/// What a client sends to a command: bounded, however little of it the command takes.
#[derive(Debug)]
pub struct Inlet {
    bytes: RefCell<Input>,
    bytes_came: Notify,
    orders: RefCell<Orders>,
    orders_came: Notify,
    credit: Semaphore,
}

/// Input that the command has not taken.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    /// How many bytes the client may still send.
    room: usize,
    ended: bool,
}

impl Input {
    /// What is there, or that nothing more will be.
    fn next(&mut self) -> Option<Option<Vec<u8>>> {
        if self.bytes.is_empty() {
            return self.ended.then_some(None);
        }
        Some(Some(std::mem::take(&mut self.bytes)))
    }
}

/// What is to be done with the command besides.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// The window has another size now.
    pub(crate) size: Option<WindowSize>,
    /// Signals to send, a bit each.
    signals: u64,
    /// Why the command must end.
    pub(crate) end: Option<Error>,
}

impl Default for Inlet {
    fn default() -> Self {
        Self {
            bytes: RefCell::new(Input { room: WINDOW, ..Input::default() }),
            bytes_came: Notify::new(),
            orders: RefCell::default(),
            orders_came: Notify::new(),
            credit: Semaphore::new(WINDOW),
        }
    }
}

impl Inlet {
    /// Input for the command; none is its end. More than the client may send ends the command.
    pub fn push(&self, bytes: &[u8]) {
        let mut input = self.bytes.borrow_mut();
        match input.room.checked_sub(bytes.len()) {
            None => {
                drop(input);
                let why = "the client sent more input than it had credit for";
                return self.end(Error::new(ErrorKind::Input, why));
            }
            Some(_) if input.ended => return,
            Some(room) => input.room = room,
        }
        if bytes.is_empty() {
            input.ended = true;
        } else {
            input.bytes.extend_from_slice(bytes);
        }
        self.bytes_came.notify_one();
    }

    /// The client takes this many bytes of output more.
    pub fn grant(&self, bytes: usize) {
        let room = MAX_CREDIT.saturating_sub(self.credit.available_permits());
        self.credit.add_permits(bytes.min(room));
    }

    /// The window of the client's terminal has this size now.
    pub fn resize(&self, size: WindowSize) {
        self.orders.borrow_mut().size = Some(size);
        self.orders_came.notify_one();
    }

    /// The command is to get a signal, by its number; others than 1 to 31 are ignored.
    pub fn signal(&self, number: u8) {
        if (1..=31).contains(&number) {
            self.orders.borrow_mut().signals |= 1 << number;
            self.orders_came.notify_one();
        }
    }

    /// The command is to end, for a reason.
    pub fn end(&self, why: Error) {
        self.orders.borrow_mut().end.get_or_insert(why);
        self.orders_came.notify_one();
    }

    /// The next input; `None` at its end. For one task.
    pub(crate) async fn next(&self) -> Option<Vec<u8>> {
        loop {
            if let Some(next) = self.bytes.borrow_mut().next() {
                return next;
            }
            self.bytes_came.notified().await;
        }
    }

    /// The command has taken input, and the client may send as much again.
    pub(crate) fn taken(&self, bytes: usize) {
        self.bytes.borrow_mut().room += bytes;
    }

    /// The next orders. For one task.
    pub(crate) async fn orders(&self) -> Orders {
        self.orders_came.notified().await;
        self.orders.take()
    }

    /// Waits until the client takes output, and reserves up to `most` bytes of its credit.
    pub(crate) async fn reserve(&self, most: usize) -> Reserved<'_> {
        // Fails only for a closed semaphore, and none is closed.
        if let Ok(first) = self.credit.acquire().await {
            first.forget();
        }
        let more = self.credit.available_permits().min(most.saturating_sub(1));
        let more = self.credit.forget_permits(more);
        Reserved { inlet: self, bytes: Cell::new(1 + more) }
    }
}

impl Orders {
    /// The signals to send.
    pub(crate) fn signals(&self) -> impl Iterator<Item = Signal> {
        let bits = self.signals;
        (1..=31).filter(move |number| bits & (1 << number) != 0).filter_map(Signal::from_named_raw)
    }
}

/// Credit that is reserved; what of it is not used is given back.
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    inlet: &'a Inlet,
    bytes: Cell<usize>,
}

impl Reserved<'_> {
    /// How many bytes may be read.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// That many were.
    pub(crate) fn used(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.inlet.credit.add_permits(self.bytes.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(inlet: &Inlet) -> usize {
        inlet.credit.available_permits()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_more_comes_out_than_there_is_credit_for_and_what_is_not_used_is_given_back() {
        let inlet = Inlet::default();
        let first = inlet.reserve(40_000).await;
        assert_eq!((first.bytes(), room(&inlet)), (40_000, WINDOW - 40_000));
        first.used(10_000);
        drop(first);
        assert_eq!(room(&inlet), WINDOW - 10_000);
        let all = inlet.reserve(usize::MAX).await;
        assert_eq!((all.bytes(), room(&inlet)), (WINDOW - 10_000, 0));
        all.used(all.bytes());
        drop(all);
        inlet.grant(7);
        assert_eq!(inlet.reserve(100).await.bytes(), 7);
        for _ in 0..3 {
            inlet.grant(usize::MAX);
        }
        assert_eq!(room(&inlet), MAX_CREDIT, "a client cannot have it grow without bound");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_client_that_sends_more_than_it_may_ends_its_command() {
        let inlet = Inlet::default();
        inlet.push(&vec![1; WINDOW]);
        assert_eq!(inlet.next().await.map(|part| part.len()), Some(WINDOW));
        inlet.push(&[2]);
        assert!(inlet.orders().await.end.is_some());
        inlet.taken(WINDOW);
        inlet.push(&[3]);
        inlet.push(&[]);
        inlet.push(&[4]);
        assert_eq!((inlet.next().await, inlet.next().await), (Some(vec![3]), None));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn orders_do_not_pile_up() {
        let inlet = Inlet::default();
        for rows in 0..1000 {
            inlet.resize(WindowSize { rows, columns: 80 });
            inlet.signal(15);
            inlet.signal(2);
            inlet.signal(0);
            inlet.signal(255);
        }
        let orders = inlet.orders().await;
        assert_eq!(orders.size.map(|size| size.rows), Some(999));
        assert_eq!(orders.signals().map(Signal::as_raw).collect::<Vec<_>>(), [2, 15]);
    }
}
