//! `exec`: a command in a running container.

use clap::Args;
use serde_json::json;

use crate::cli::client;
use crate::cli::common::Common;
use crate::cli::term;
use crate::error::{Error, ErrorKind, ExitCode, Result};

/// The exit codes of `exec` when the command could not be run, as other container tools have them: for another reason, when
/// it may not be executed, when it is not there.
const NOT_RUN: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Run a command in a running container and exit with its exit code
#[derive(Debug, Args)]
pub(crate) struct ExecVerb {
    /// Id or descriptor
    id: String,
    /// Option of the runtime's exec, such as --option --cwd=/tmp; may be repeated
    #[arg(long = "option", value_name = "OPTION", allow_hyphen_values = true)]
    options: Vec<String>,
    /// Timeout of the command in seconds; it is killed then
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=86_400))]
    timeout: u64,
    /// Launch the command and return at once; its output goes to the container's log
    #[arg(long)]
    detach: bool,
    /// Print control characters unchanged, even on a terminal
    #[arg(long)]
    raw: bool,
    /// The command, and its own options
    #[arg(trailing_var_arg = true, required = true)]
    command: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// What the runtimes say is all that tells why they did not run a command.
fn code(error: &Error) -> u8 {
    let why = error.report();
    let says = |words: &[&str]| words.iter().any(|words| why.contains(words));
    match error.kind() {
        ErrorKind::System
            if says(&["not found in $PATH", "No such file or directory", "no such file or directory"]) =>
        {
            NOT_FOUND
        }
        ErrorKind::System if says(&["Permission denied", "permission denied"]) => NOT_EXECUTABLE,
        _ => NOT_RUN,
    }
}

impl ExecVerb {
    pub(crate) fn run(&self) -> Result<u8> {
        let outcome = if self.detach { self.launch() } else { self.attached() };
        outcome.or_else(|error| {
            log::error!("{}", error.report());
            Ok(code(&error))
        })
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

    /// `runCommand`: to its end.
    fn attached(&self) -> Result<u8> {
        let params = json!({
            "containerId": self.id,
            "command": self.command,
            "options": shell_words::join(&self.options),
            "timeout": self.timeout * 1000,
            "encoding": if self.common.json { "text" } else { "base64" },
        });
        let result = self.common.connect()?.call("runCommand", params)?;
        if self.common.json {
            term::json(&result)?;
        } else {
            term::output(&client::decode(&result["stdout"])?, self.raw)?;
            term::error_output(&client::decode(&result["stderr"])?, self.raw)?;
        }
        if result["truncated"] == true {
            log::warn!("output truncated");
        }
        if result["timedOut"] == true {
            log::warn!("the command was killed after {} s", self.timeout);
        }
        let signal = result["signal"].as_i64().map(|signal| 128 + signal);
        let code = result["exitCode"].as_i64().or(signal).unwrap_or_default();
        Ok(u8::try_from(code).unwrap_or(NOT_RUN))
    }
}
