//! `attach`: a container's terminal or standard streams, from now on.

use std::io::{IsTerminal as _, stdin};

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::life::not_run;
use crate::cli::stream::session::{self, End, OnSignal, STREAM, Wanted};
use crate::error::{Error, ErrorKind, Result};

/// Attach to a running container: its output from now on, its input
///
/// In its terminal Ctrl-P, then Ctrl-Q, detaches yours, and the container goes on
#[derive(Debug, Args)]
pub(crate) struct AttachVerb {
    /// Id or descriptor
    id: String,
    /// Leave its input alone; several can do so at a time
    #[arg(long)]
    no_stdin: bool,
    /// Print control characters as they are, also without a terminal of the container's
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: Common,
}

impl AttachVerb {
    pub(crate) fn run(&self) -> Result<u8> {
        if self.common.json {
            let error = Error::new(ErrorKind::Usage, "attach has no --json: its output is the container's");
            return Err(error.advise("take 'wait --json' for how it ends"));
        }
        self.attach().or_else(|error| {
            log::error!("{}", error.report());
            Ok(not_run::NOT_RUN)
        })
    }

    fn attach(&self) -> Result<u8> {
        let mut client = self.common.connect()?;
        let config = client.about("getContainerConfig", &self.id)?;
        let has_terminal = config["config"]["process"]["terminal"] == true;
        let input = !self.no_stdin;
        let wanted = Wanted {
            input,
            terminal: has_terminal && input && stdin().is_terminal(),
            feeds_terminal: has_terminal && input && !stdin().is_terminal(),
            raw_output: self.raw || has_terminal,
            is_attached: true,
            once_it_runs: &|| (),
            on_signal: OnSignal::End,
        };
        let mut params = json!({"containerId": self.id, "stream": STREAM, "readOnly": !input});
        if let Some(window) = wanted.window() {
            params["terminal"] = window;
        }
        let end = session::run(client, "attachContainer", params, wanted)?;
        warn_of_lost(&end);
        Ok(code(&end))
    }
}

/// The exit code at the end of a container's stream. The container goes on when the user's output is closed, which is as if
/// SIGPIPE had ended this program.
pub(crate) fn code(end: &End) -> u8 {
    match end {
        End::OutputClosed => End::Signal(13).code(not_run::NOT_RUN),
        end => end.code(not_run::NOT_RUN),
    }
}

/// Says how much of the output was not shown.
pub(crate) fn warn_of_lost(end: &End) {
    if let End::Result(result) = end
        && let Some(lost @ 1..) = result["lost"].as_u64()
    {
        log::warn!("{lost} bytes of output are missing here: they came faster than they were taken");
    }
}
