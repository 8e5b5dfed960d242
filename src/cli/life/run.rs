//! `run`: a container from its start to its end.

use std::cell::RefCell;

use clap::Args;
use serde_json::json;

use crate::cli::life::attach::{code, warn_of_lost};
use crate::cli::life::not_run;
use crate::cli::life::start::StartVerb;
use crate::cli::stream::raw;
use crate::cli::stream::session::{self, End, OnSignal, STREAM, Wanted};
use crate::cli::waiting::waiting;
use crate::error::{Error, ErrorKind, ExitCode, Result};

/// Run a container to its end, with its output and its exit code
#[derive(Debug, Args)]
pub(crate) struct RunVerb {
    /// Leave it running, and print its descriptor
    #[arg(short, long)]
    detach: bool,
    /// Print control characters as they are, also on a terminal
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    start: StartVerb,
}

impl RunVerb {
    pub(crate) fn run(&self) -> Result<u8> {
        if self.detach {
            return self.start.run().map(|()| ExitCode::Ok as u8);
        }
        if self.start.common().json {
            let error =
                Error::new(ErrorKind::Usage, "--json of run is for --detach: its output is the container's");
            return Err(error.advise("take 'run --detach --json', then 'wait --json'"));
        }
        self.attached().or_else(|error| {
            log::error!("{}", error.report());
            Ok(not_run::code(&error))
        })
    }

    /// With its output, and with the user's input or terminal if that is wanted.
    fn attached(&self) -> Result<u8> {
        let [input, terminal] = self.start.streams();
        if terminal {
            raw::must_be_terminal()?;
        }
        let stop = |is_again: bool| {
            let params = json!({"containerId": self.start.id(), "force": is_again});
            // One that has ended by itself needs no stop.
            let stopped = self.start.common().connect().and_then(|mut it| it.call("stopContainer", params));
            if let Err(error) = stopped
                && error.kind() != ErrorKind::NotFound
            {
                log::warn!("{}", error.report());
            }
        };
        let mut params = self.start.params()?;
        params["stream"] = STREAM.into();
        params["readOnly"] = (!input && !terminal).into();
        let client = self.start.common().connect()?;
        let start = RefCell::new(waiting(self.start.common(), self.start.id()));
        let wanted = Wanted {
            input,
            terminal,
            feeds_terminal: false,
            raw_output: self.raw || terminal,
            is_attached: true,
            once_it_runs: &|| drop(start.take()),
            on_signal: OnSignal::Call(&stop),
        };
        let end =
            session::run(client, "runContainer", params, wanted).map_err(|error| match error.kind() {
                ErrorKind::Unreachable => {
                    error.advise("if it runs, attach to it when the daemon is there again")
                }
                _ => error,
            })?;
        warn_of_lost(&end);
        if matches!(end, End::OutputClosed) {
            let id = self.start.id();
            log::warn!(
                "the reader of the output has gone; container {id} goes on: ocicontainer stop {id} ends it"
            );
        }
        Ok(code(&end))
    }
}
