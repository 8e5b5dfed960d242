//! What a stream is to have of the user's, and how it ended.

use std::io::stdin;

use serde_json::Value;

use crate::cli::stream::raw;
use crate::error::ExitCode;

/// What the stream is to have of the user's.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Standard input.
    pub(crate) input: bool,
    /// The terminal.
    pub(crate) terminal: bool,
    /// Whether the input is not a terminal, and goes to one: its end is a key there.
    pub(crate) feeds_terminal: bool,
    /// Whether control characters of the output may drive the user's terminal.
    pub(crate) raw_output: bool,
    /// Whether it goes on without the user: there are keys to detach, and without input its own stays open.
    pub(crate) is_attached: bool,
    /// Called when the command runs.
    pub(crate) once_it_runs: &'a dyn Fn(),
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
