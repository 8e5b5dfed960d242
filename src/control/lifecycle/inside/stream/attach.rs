//! Attaches a client to a container: its output comes from the log, its input goes to its terminal or pipe. The container
//! waits for no client, and goes on when one leaves.

use std::cell::Cell;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::control::container::Container;
use crate::control::input::console;
use crate::control::lifecycle::context::Context;
use crate::control::lifecycle::inside::stream::pump::{Fed, Feed};
use crate::control::lifecycle::output;
use crate::control::model::request::{Stdin, WindowSize};
use crate::control::model::state::ExitStatus;
use crate::control::model::stream::{AttachEnd, AttachRequest, Inlet, Outlet, StreamPart, WINDOW};
use crate::control::phase::Ending;
use crate::error::Result;
use crate::sys::wait_for;

/// The most bytes of output that are read at once.
const CHUNK: usize = 16 * 1024;
/// How long until the log is looked at again: after output or input, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// From where on a client gets output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// From now on.
    Now,
    /// From the container's start on.
    Start,
}

/// Serves a client until the container has ended for good and all that it wrote is passed on.
///
/// # Errors
/// `ErrorKind::Busy` when there are too many clients; why the client was sent away.
pub(crate) async fn attach(
    ctx: &Context,
    (container, begin): (Arc<Container>, Begin),
    request: AttachRequest,
    inlet: &Inlet,
    outlet: &impl Outlet,
) -> Result<AttachEnd> {
    let _seat = container.input.sit_down(request.only_looks)?;
    let place = match begin {
        Begin::Now => ctx.logs.end(&container.id, &container.policy().sink).or(Some(0)),
        Begin::Start => container.output_begin.get().copied(),
    };
    outlet.put(StreamPart::Credit(WINDOW)).await;
    let (run, run_changed) = watch::channel(Arc::clone(&container));
    let (size, fed) = (Cell::new(request.terminal.filter(|_| !request.only_looks)), Notify::new());
    let follower = Follower { ctx, inlet, outlet, fed: &fed, place, is_hidden: false, lost: 0 };
    let input = Input { ctx, inlet, outlet, fed: &fed, size: &size };
    if begin == Begin::Now {
        input.resize(&container, console::redraw).await;
    }
    let feeding = async {
        if !request.only_looks {
            input.feed_runs(run_changed).await;
        }
        // It goes on without input.
        std::future::pending::<Infallible>().await
    };
    let steering = async {
        loop {
            let orders = inlet.orders().await;
            if let Some(why) = orders.end {
                return why;
            }
            if let Some(new) = orders.size.filter(|_| !request.only_looks) {
                size.set(Some(new));
                let container = Arc::clone(&run.borrow());
                input.resize(&container, console::resize).await;
            }
        }
    };
    tokio::select! {
        end = follower.follow_runs(container, &run) => Ok(end),
        why = steering => Err(why),
        never = feeding => match never {},
    }
}

/// Passes on what a container writes.
struct Follower<'a, O> {
    ctx: &'a Context,
    inlet: &'a Inlet,
    outlet: &'a O,
    /// Input was passed on: output is likely.
    fed: &'a Notify,
    /// The place of what follows; none yet is the log's beginning.
    place: Option<u64>,
    /// Whether the output cannot be read, and that was said.
    is_hidden: bool,
    /// How many bytes were cut off the log before they were read here.
    lost: u64,
}

impl<O: Outlet> Follower<'_, O> {
    /// Follows a container, and those that take its place, which `run` gets.
    async fn follow_runs(
        mut self,
        mut container: Arc<Container>,
        run: &watch::Sender<Arc<Container>>,
    ) -> AttachEnd {
        loop {
            let exit = self.follow(&container).await;
            let Some(next) = container.successor.get().cloned() else {
                return AttachEnd { exit, lost: self.lost };
            };
            if !next.running().await {
                if let Some(error) = next.failure.get() {
                    self.note(&container, &format!("it cannot be restarted: {}", error.report())).await;
                }
                return AttachEnd { exit, lost: self.lost };
            }
            run.send_replace(Arc::clone(&next));
            container = next;
        }
    }

    /// Follows one run to its end.
    async fn follow(&mut self, container: &Container) -> ExitStatus {
        let mut pause = PAUSE.0;
        loop {
            // Asked before the last look, so that nothing is missed.
            let ending = container.phase().ending();
            while self.step(container).await {
                pause = PAUSE.0;
            }
            match ending {
                Some(Ending::Ended(exit)) => return exit,
                Some(Ending::NeverStarted) => return ExitStatus::Unknown,
                None => {}
            }
            tokio::select! {
                () = sleep(pause) => pause = PAUSE.1.min(pause * 2),
                () = self.fed.notified() => pause = PAUSE.0,
                _ended = container.ending() => {}
            }
        }
    }

    /// Passes some output on, once the client takes some; whether there was any.
    async fn step(&mut self, container: &Container) -> bool {
        let credit = self.inlet.reserve(CHUNK).await;
        let bytes = u64::try_from(credit.bytes()).unwrap_or(u64::MAX);
        let from = Some(self.place.unwrap_or(0));
        let mut part = match self.ctx.logs.read(&container.id, &container.policy().sink, from, bytes) {
            Ok(part) => part,
            Err(error) => {
                if !std::mem::replace(&mut self.is_hidden, true) {
                    self.note(container, &format!("its output is not shown: {}", error.report())).await;
                }
                return false;
            }
        };
        if let Some(end) = container.output_end.get() {
            // What is behind it, another container of the id has written.
            let begin = part.next.saturating_sub(part.bytes.len() as u64);
            part.bytes.truncate(usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX));
            part.next = part.next.min(*end);
        }
        let count = part.bytes.len();
        let gap = |place: u64| part.next.saturating_sub(place).saturating_sub(count as u64);
        let lost = self.place.map_or(0, gap);
        // A log that is taken away has nothing at its place until more is written.
        self.place = Some(part.next.max(self.place.unwrap_or(0)));
        if lost > 0 {
            self.lost += lost;
            self.note(container, &format!("lost {lost} bytes of output")).await;
        }
        if count == 0 {
            return lost > 0;
        }
        credit.used(count);
        drop(credit);
        self.outlet.put(StreamPart::Stdout(part.bytes)).await;
        true
    }

    /// Says something that the container did not write. It is short and comes seldom, and takes no credit.
    async fn note(&self, container: &Container, text: &str) {
        let line_end = if container.policy().stdin == Stdin::Terminal { "\r\n" } else { "\n" };
        let text = format!("{line_end}[ocicontainer: {text}]{line_end}");
        self.outlet.put(StreamPart::Stderr(text.into_bytes())).await;
    }
}

/// Passes on what a client sends.
struct Input<'a, O> {
    ctx: &'a Context,
    inlet: &'a Inlet,
    outlet: &'a O,
    fed: &'a Notify,
    /// The size of the client's window.
    size: &'a Cell<Option<WindowSize>>,
}

impl<O: Outlet> Input<'_, O> {
    /// Feeds a container, and those that take its place, to the end of the input.
    async fn feed_runs(&self, mut runs: watch::Receiver<Arc<Container>>) {
        let mut feed = Feed::default();
        loop {
            let container = Arc::clone(&runs.borrow_and_update());
            self.resize(&container, console::resize).await;
            tokio::select! {
                () = self.feed(&container, &mut feed) => {}
                _another = runs.changed() => continue,
            }
            // It takes no more.
            if runs.changed().await.is_err() {
                return;
            }
        }
    }

    /// Feeds one run.
    async fn feed(&self, container: &Container, feed: &mut Feed) {
        let Some(way) = output::input(self.ctx, container).await else { return };
        let Ok(way) = wait_for(way, Interest::WRITABLE) else { return };
        let fed = feed.run(&way, self.inlet, self.outlet, || self.fed.notify_one()).await;
        if fed == Fed::All && container.policy().stdin == Stdin::Pipe {
            drop(way);
            output::close_input(self.ctx, container).await;
        }
    }

    /// Gives the container's terminal the size of the client's window.
    async fn resize(&self, container: &Container, how: fn(OwnedFd, WindowSize)) {
        if let Some(size) = self.size.get()
            && container.policy().stdin == Stdin::Terminal
            && let Some(way) = output::input(self.ctx, container).await
        {
            how(way, size);
        }
    }
}
