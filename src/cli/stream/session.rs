//! A stream from its start to its end: the user's input to the daemon, its output to the user, signals and the window.

use std::io::{IsTerminal as _, Stdin, stderr, stdin, stdout};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;

use crate::cli::client::Client;
pub(crate) use crate::cli::stream::connection::STREAM;
use crate::cli::stream::connection::{Coming, Connection};
use crate::cli::stream::raw::{self, RawMode};
use crate::cli::stream::signals;
use crate::cli::stream::typed::Typed;
pub(crate) use crate::cli::stream::wanted::{End, OnSignal, Wanted};
use crate::cli::stream::writer::Writer;
use crate::error::{Result, Tried};
use crate::rpc::streams::frame::FromClient;

/// The signals that are read: those that end a program, and the one for a window of another size.
const SIGNALS: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGWINCH];
/// How long the last input may take to be taken when the user detaches.
const LAST_INPUT_WAIT: Duration = Duration::from_millis(250);
/// Credit for output beyond what each stream has at first, in bytes.
const MORE_CREDIT: u32 = 192 * 1024;

/// Calls `method` and serves its stream to the end.
///
/// # Errors
/// The daemon's; the connection or the terminal broke.
pub(crate) fn run(client: Client, method: &str, params: Value, wanted: Wanted<'_>) -> Result<End> {
    // Before the command is there: none is left behind by a signal.
    let signals = signals::receive(&SIGNALS)?;
    let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).tried(|| "cannot make a pipe")?;
    let writers = [Writer::start(stdout(), &wake)?, Writer::start(stderr(), &wake)?];
    let mut connection = Connection::begin(client, method, params)?;
    connection.send(&FromClient::Credit(MORE_CREDIT))?;
    let input = wanted.input.then(stdin);
    let mut session = Session {
        connection,
        wanted,
        signals,
        woken,
        writers,
        input,
        typed: Typed::default(),
        runs: false,
        was_called: false,
        tames: !wanted.raw_output && stdout().is_terminal(),
        raw: None,
    };
    let end = session.serve();
    if matches!(end, Ok(End::Detached)) {
        session.see_input_taken();
    }
    let Session { writers, raw, typed, .. } = session;
    if matches!(end, Ok(End::Result(_))) {
        writers.into_iter().for_each(Writer::finish);
    }
    drop(raw);
    let is_cut_off = match &end {
        Ok(end) => matches!(end, End::Detached | End::Signal(_)),
        Err(_) => true,
    };
    if is_cut_off && typed.left() > 0 {
        log::warn!(
            "up to {} bytes of input are lost: the program in the container has not read them",
            typed.left()
        );
    }
    end
}

struct Session<'a> {
    connection: Connection,
    wanted: Wanted<'a>,
    signals: SignalFd,
    woken: OwnedFd,
    writers: [Writer; 2],
    /// Until it ends.
    input: Option<Stdin>,
    typed: Typed,
    /// Whether the command runs.
    runs: bool,
    was_called: bool,
    /// Whether control characters of the output are escaped.
    tames: bool,
    raw: Option<RawMode>,
}

impl Session<'_> {
    fn serve(&mut self) -> Result<End> {
        loop {
            if let Some(end) = self.take()? {
                return Ok(end);
            }
            if self.writers[0].is_broken() {
                return Ok(End::OutputClosed);
            }
            self.grant()?;
            self.send_input()?;
            let [input, signals] = self.wait()?;
            if self.connection.is_unsent() {
                self.connection.flush()?;
            }
            if signals && let Some(end) = self.signals()? {
                return Ok(end);
            }
            if input && self.input()? {
                return Ok(End::Detached);
            }
        }
    }

    /// Takes what has come from the daemon.
    fn take(&mut self) -> Result<Option<End>> {
        while let Some(coming) = self.connection.next()? {
            match coming {
                Coming::Stdout(bytes) => self.writers[0].write(bytes, self.tames),
                Coming::Stderr(bytes) => self.writers[1].write(bytes, self.tames),
                Coming::Credit(bytes) => self.credit(bytes)?,
                Coming::End(result) => return Ok(Some(End::Result(result))),
            }
        }
        Ok(None)
    }

    /// The daemon takes more input; the first time it says that the command runs.
    fn credit(&mut self, bytes: usize) -> Result<()> {
        if std::mem::replace(&mut self.runs, true) {
            self.typed.taken(bytes);
            return Ok(());
        }
        (self.wanted.once_it_runs)();
        self.typed.begin(bytes);
        if self.wanted.terminal && self.wanted.input {
            self.raw = Some(RawMode::enter(stdin())?);
            if self.wanted.is_attached {
                self.typed.look_for_keys();
            }
        }
        if !self.wanted.input && !self.wanted.terminal && !self.wanted.is_attached {
            return self.connection.send(&FromClient::Input(&[]));
        }
        Ok(())
    }

    /// Lets the daemon send as much more as was written.
    fn grant(&mut self) -> Result<()> {
        let written: usize = self.writers.iter().map(Writer::written).sum();
        match u32::try_from(written) {
            Ok(0) => Ok(()),
            written => self.connection.send(&FromClient::Credit(written.unwrap_or(u32::MAX))),
        }
    }

    /// Waits until something can be done; whether that is to read the input, and the signals.
    fn wait(&self) -> Result<[bool; 2]> {
        let unsent = if self.connection.is_unsent() { PollFlags::OUT } else { PollFlags::empty() };
        let connection = self.connection.fd();
        // What is called for one needs a command that runs.
        let awaits = self.runs || !matches!(self.wanted.on_signal, OnSignal::Call(_));
        let mut fds = vec![
            PollFd::from_borrowed_fd(connection, PollFlags::IN | unsent),
            PollFd::new(&self.woken, PollFlags::IN),
            PollFd::new(&self.signals, if awaits { PollFlags::IN } else { PollFlags::empty() }),
        ];
        // What waits to be sent goes before more.
        let wants_input = self.typed.wants(unsent.is_empty());
        fds.extend(
            self.input.as_ref().filter(|_| wants_input).map(|input| PollFd::new(input, PollFlags::IN)),
        );
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).tried(|| "cannot wait for input"),
        }
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        if ready(1) {
            let mut drained = [0; 64];
            // It only wakes.
            let _woken = rustix::io::read(&self.woken, &mut drained);
        }
        Ok([ready(3), ready(2)])
    }

    /// Reads some of the input; whether it detaches the terminal.
    fn input(&mut self) -> Result<bool> {
        let Some(input) = &self.input else { return Ok(false) };
        let mut bytes = vec![0; self.typed.wanted()];
        match rustix::io::read(input, &mut bytes) {
            Ok(count @ 1..) => {
                let is_detached = self.typed.push(bytes.get(..count).unwrap_or_default());
                self.send_input()?;
                return Ok(is_detached);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A terminal that has gone gives an error.
            Ok(0) | Err(_) => {
                self.input = None;
                self.typed.end(self.wanted.feeds_terminal);
            }
        }
        Ok(false)
    }

    /// Sends as much of the input as the daemon takes; its end, too.
    fn send_input(&mut self) -> Result<()> {
        while !self.connection.is_unsent()
            && let Some(bytes) = self.typed.next()
        {
            self.connection.send(&FromClient::Input(&bytes))?;
        }
        Ok(())
    }

    /// Gives the program a moment to read what was typed before the keys that detach.
    fn see_input_taken(&mut self) {
        let begin = Instant::now();
        while self.typed.left() > 0
            && let Some(left) = LAST_INPUT_WAIT.checked_sub(begin.elapsed())
            && let Ok(timeout) = Timespec::try_from(left)
        {
            let _ready_or_late =
                poll(&mut [PollFd::from_borrowed_fd(self.connection.fd(), PollFlags::IN)], Some(&timeout));
            // What the daemon says of its end comes too late.
            if !matches!(self.take(), Ok(None)) || self.send_input().is_err() {
                return;
            }
        }
    }

    /// Passes signals on to the command. One that ends this program, because nothing runs yet, or because it is a terminal
    /// whose keys make the command's signals, is returned.
    fn signals(&mut self) -> Result<Option<End>> {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = u8::try_from(signal.ssi_signo).unwrap_or_default();
            if i32::from(number) == libc::SIGWINCH {
                if self.wanted.terminal {
                    self.connection.send(&FromClient::Resize(raw::window(&stdin())))?;
                }
                continue;
            }
            match self.wanted.on_signal {
                OnSignal::PassOn if self.runs && self.raw.is_none() => {
                    self.connection.send(&FromClient::Signal(number))?;
                }
                OnSignal::PassOn | OnSignal::End => return Ok(Some(End::Signal(number))),
                OnSignal::Call(called) => called(std::mem::replace(&mut self.was_called, true)),
            }
        }
        Ok(None)
    }
}
