//! `exec`: a command in a running container.

use std::io::{IsTerminal as _, stdin};

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::life::not_run;
use crate::cli::stream::raw;
use crate::cli::stream::session::{self, End, OnSignal, STREAM, Wanted};
use crate::cli::term;
use crate::error::{ExitCode, Result};

/// The timeout of a command whose output is captured, in seconds.
const CAPTURED_TIMEOUT: u64 = 30;

/// Run a command in a running container and exit with its exit code
#[derive(Debug, Args)]
pub(crate) struct ExecVerb {
    /// Id or descriptor
    id: String,
    /// Option of the runtime's exec, such as --option --cwd=/tmp; may be repeated
    #[arg(long = "option", value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
    /// Pass standard input on even if it is a terminal; without this, only if it is not one
    #[arg(short, long, conflicts_with_all = ["json", "detach"])]
    interactive: bool,
    /// Give the command a terminal; with -i it is yours
    #[arg(short, long, conflicts_with_all = ["json", "detach"])]
    tty: bool,
    /// Timeout of the command in seconds; it is killed then [with --json: 30, else none]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    #[arg(conflicts_with = "detach")]
    timeout: Option<u64>,
    /// Launch the command and return at once; its output goes to the container's log
    #[arg(short, long)]
    detach: bool,
    /// For older scripts: output is passed on unchanged anyway
    #[arg(long)]
    raw: bool,
    /// The command, and its own options
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl ExecVerb {
    pub(crate) fn run(&self) -> Result<u8> {
        let outcome = if self.detach {
            self.launch()
        } else if self.common.json {
            self.captured()
        } else {
            self.streamed()
        };
        outcome.or_else(|error| {
            log::error!("{}", error.report());
            Ok(not_run::code(&error))
        })
    }

    /// `execStream`: with the user's input and output.
    fn streamed(&self) -> Result<u8> {
        if self.tty {
            raw::must_be_terminal()?;
        }
        let wanted = Wanted {
            input: self.interactive || !stdin().is_terminal(),
            terminal: self.tty,
            feeds_terminal: false,
            raw_output: true,
            is_attached: false,
            once_it_runs: &|| (),
            on_signal: OnSignal::PassOn,
        };
        let mut params = json!({
            "containerId": self.id,
            "command": self.command,
            "options": shell_words::join(self.options.iter().chain(&self.terminal_type())),
            "stream": STREAM,
        });
        if let Some(window) = wanted.window() {
            params["terminal"] = window;
        }
        if let Some(seconds) = self.timeout {
            params["timeout"] = (seconds * 1000).into();
        }
        let end = session::run(self.common.connect()?, "execStream", params, wanted)?;
        if let (End::Result(result), Some(seconds)) = (&end, self.timeout)
            && result["timedOut"] == true
        {
            log::warn!("the command was killed after {seconds} s");
        }
        Ok(end.code(not_run::NOT_RUN))
    }

    /// The option that says to the command which kind of terminal it has, if it does not stand among the others.
    fn terminal_type(&self) -> Option<String> {
        let variable = if self.tty { raw::variable(self.options.iter()) } else { None };
        variable.map(|variable| format!("--env={variable}"))
    }

    /// `executeCommand`: launched and left alone.
    fn launch(&self) -> Result<u8> {
        let params = json!({
            "containerId": self.id,
            "command": shell_words::join(&self.command),
            "options": shell_words::join(&self.options),
        });
        let result = self.common.connect()?.call("executeCommand", params)?;
        if self.common.json {
            term::json(&result)?;
        }
        Ok(ExitCode::Ok as u8)
    }

    /// `runCommand`: to its end, with its result as JSON.
    fn captured(&self) -> Result<u8> {
        let timeout = self.timeout.unwrap_or(CAPTURED_TIMEOUT);
        let params = json!({
            "containerId": self.id,
            "command": self.command,
            "options": shell_words::join(&self.options),
            "timeout": timeout * 1000,
            "encoding": "text",
        });
        let result = self.common.connect()?.call("runCommand", params)?;
        term::json(&result)?;
        if result["truncated"] == true {
            log::warn!("output truncated");
        }
        if result["timedOut"] == true {
            log::warn!("the command was killed after {timeout} s");
        }
        Ok(End::Result(result).code(not_run::NOT_RUN))
    }
}
