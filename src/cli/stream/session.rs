//! A stream from its start to its end: the user's input to the daemon, its output to the user, signals and the window.

use std::io::{IsTerminal as _, Stdin, stderr, stdin, stdout};
use std::os::fd::OwnedFd;

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;

use crate::cli::client::Client;
pub(crate) use crate::cli::stream::connection::STREAM;
use crate::cli::stream::connection::{Coming, Connection};
use crate::cli::stream::keys::DetachKeys;
use crate::cli::stream::raw::{self, RawMode};
use crate::cli::stream::signals;
use crate::cli::stream::writer::Writer;
use crate::error::{ExitCode, Result, Tried};
use crate::rpc::streams::frame::FromClient;

/// The signals that are read: those that end a program, and the one for a window of another size.
const SIGNALS: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGWINCH];
/// The most input that is sent at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// Credit for output beyond what each stream has at first, in bytes.
const MORE_CREDIT: u32 = 192 * 1024;

/// What the stream is to have of the user's.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Standard input.
    pub(crate) input: bool,
    /// The terminal.
    pub(crate) terminal: bool,
    /// Whether control characters of the output may drive the user's terminal.
    pub(crate) raw_output: bool,
    /// Whether it goes on without the user: there are keys to detach, and without input its own stays open.
    pub(crate) is_attached: bool,
    /// What signals to this program lead to.
    pub(crate) on_signal: OnSignal<'a>,
}

/// What signals to this program lead to, once the command runs.
#[derive(Clone, Copy)]
pub(crate) enum OnSignal<'a> {
    /// The command gets them, unless they come from keys that the command gets.
    PassOn,
    /// This program ends.
    End,
    /// This is called, also for those that came before: with whether it was called before.
    Call(&'a dyn Fn(bool)),
}

/// How a stream ended.
#[derive(Debug)]
pub(crate) enum End {
    /// With the result of its call.
    Result(Value),
    /// The user's output was closed.
    OutputClosed,
    /// A signal ended this program.
    Signal(u8),
    /// The user has detached the terminal.
    Detached,
}

impl Wanted<'_> {
    /// The members that a call takes the terminal from.
    pub(crate) fn window(self) -> Option<Value> {
        let size = self.terminal.then(|| raw::window(&stdin()))?;
        Some(serde_json::json!({"rows": size.rows, "columns": size.columns}))
    }
}

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
        room: 0,
        runs: false,
        was_called: false,
        keys: DetachKeys::default(),
        tames: !wanted.raw_output && stdout().is_terminal(),
        raw: None,
    };
    let end = session.serve()?;
    let Session { writers, raw, .. } = session;
    if matches!(end, End::Result(_)) {
        writers.into_iter().for_each(Writer::finish);
    }
    drop(raw);
    Ok(end)
}

struct Session<'a> {
    connection: Connection,
    wanted: Wanted<'a>,
    signals: SignalFd,
    woken: OwnedFd,
    writers: [Writer; 2],
    /// Until it ends.
    input: Option<Stdin>,
    /// How much input the daemon takes.
    room: usize,
    /// Whether the command runs.
    runs: bool,
    was_called: bool,
    keys: DetachKeys,
    /// Whether control characters of the output are escaped.
    tames: bool,
    raw: Option<RawMode>,
}

impl Session<'_> {
    fn serve(&mut self) -> Result<End> {
        loop {
            while let Some(coming) = self.connection.next()? {
                match coming {
                    Coming::Stdout(bytes) => self.writers[0].write(bytes, self.tames),
                    Coming::Stderr(bytes) => self.writers[1].write(bytes, self.tames),
                    Coming::Credit(bytes) => self.credit(bytes)?,
                    Coming::End(result) => return Ok(End::Result(result)),
                }
            }
            if self.writers[0].is_broken() {
                return Ok(End::OutputClosed);
            }
            self.grant()?;
            let [input, signals] = self.wait()?;
            if self.connection.is_unsent() {
                self.connection.flush()?;
            }
            if signals && let Some(end) = self.signals()? {
                return Ok(end);
            }
            if input && let Some(end) = self.input()? {
                return Ok(end);
            }
        }
    }

    /// The daemon takes more input; the first time it says that the command runs.
    fn credit(&mut self, bytes: usize) -> Result<()> {
        self.room = self.room.saturating_add(bytes);
        if !self.runs && self.wanted.terminal && self.wanted.input {
            self.raw = Some(RawMode::enter(stdin())?);
        }
        let first = !std::mem::replace(&mut self.runs, true);
        if first && !self.wanted.input && !self.wanted.terminal && !self.wanted.is_attached {
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
        let wants_input = self.room > 0 && unsent.is_empty();
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

    /// Sends some of the input; its end, too.
    fn input(&mut self) -> Result<Option<End>> {
        let Some(input) = &self.input else { return Ok(None) };
        let mut bytes = vec![0; self.room.min(CHUNK)];
        match rustix::io::read(input, &mut bytes) {
            Ok(count @ 1..) => {
                bytes.truncate(count);
                self.room -= count;
                let is_detached;
                if self.wanted.is_attached && self.raw.is_some() {
                    (bytes, is_detached) = self.keys.pass(&bytes);
                    if bytes.is_empty() || is_detached {
                        return Ok(is_detached.then_some(End::Detached));
                    }
                }
                self.connection.send(&FromClient::Input(&bytes))?;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A terminal that has gone gives an error.
            Ok(0) | Err(_) => {
                self.input = None;
                self.connection.send(&FromClient::Input(&[]))?;
            }
        }
        Ok(None)
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

impl End {
    /// The exit code that this stands for: the command's own, 128 + N when signal N ended it or this program.
    pub(crate) fn code(&self, unknown: u8) -> u8 {
        match self {
            Self::Result(result) => {
                let signal = result["signal"].as_i64().map(|signal| 128 + signal);
                let code = result["exitCode"].as_i64().or(signal);
                code.and_then(|code| u8::try_from(code).ok()).unwrap_or(unknown)
            }
            Self::OutputClosed | Self::Detached => ExitCode::Ok as u8,
            Self::Signal(number) => number.saturating_add(128),
        }
    }
}
