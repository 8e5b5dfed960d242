//! Requests, and the result of a command.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::model::command_line::split_words;
use crate::control::model::id::ContainerId;
use crate::control::model::state::ExitStatus;
use crate::dobby::read::input::Input;
use crate::error::Result;

/// What a container is made from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The directory with `config.json`; absolute.
    Bundle(PathBuf),
    /// A Dobby spec.
    Spec(Input),
}

/// A container to start.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The id of the new container.
    pub id: ContainerId,
    /// What it is made from.
    pub source: Source,
    /// A command line to run instead of the source's; split into words as a shell would, without a shell.
    pub command: Option<String>,
    /// A Westeros display socket of the host, which the container finds at `/tmp/westeros`.
    pub westeros_socket: Option<PathBuf>,
    /// `NAME=value` pairs; each replaces the source's value of that name.
    pub env: Vec<String>,
    /// The window of the terminal that it gets; without one it has none.
    pub terminal: Option<WindowSize>,
    /// Whether its standard input stays open for clients. A terminal is open anyway.
    pub interactive: bool,
}

/// The size of a terminal's window, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// What a container has as its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stdin {
    /// Nothing to read.
    Null,
    /// A pipe to which clients can write.
    Pipe,
    /// A terminal, which is its output, too.
    Terminal,
}

impl StartRequest {
    /// A plain start of the bundle as it is.
    #[must_use]
    pub fn new(id: ContainerId, bundle: impl Into<PathBuf>) -> Self {
        Self::of(id, Source::Bundle(bundle.into()))
    }

    /// A plain start of whatever the source is.
    #[must_use]
    pub fn of(id: ContainerId, source: Source) -> Self {
        Self {
            id,
            source,
            command: None,
            westeros_socket: None,
            env: Vec::new(),
            terminal: None,
            interactive: false,
        }
    }
}

/// A command to run inside a running container.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// The program and its arguments, one word each.
    pub command: Vec<String>,
    /// Options of the runtime's `exec`, one word each; only those of the allow-list pass.
    pub options: Vec<String>,
}

impl ExecRequest {
    /// The request that two texts stand for, each split into words as by [`split_words`].
    ///
    /// # Errors
    /// [`ErrorKind::Input`](crate::error::ErrorKind::Input) when one of them cannot be split.
    pub fn parse(command: &str, options: &str) -> Result<Self> {
        Ok(Self { command: split_words(command)?, options: split_words(options)? })
    }
}

/// The limits of a command whose output is captured.
#[derive(Debug, Clone, Copy)]
pub struct ExecLimits {
    /// How long it may run; then it is killed.
    pub timeout: Duration,
    /// How many bytes of each of stdout and stderr are kept; the rest is read and dropped.
    pub output: usize,
}

impl Default for ExecLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), output: 256 * 1024 }
    }
}

/// What a command inside a container gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// How it ended; [`ExitStatus::Signal`] 9 when it was killed at its deadline.
    pub exit: ExitStatus,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Whether some output is missing.
    pub truncated: bool,
    /// Whether it was killed at its deadline.
    pub timed_out: bool,
}
