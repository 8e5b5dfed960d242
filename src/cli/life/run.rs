//! `run`: a container from its start to its end.

use std::cell::{Cell, RefCell};

use clap::Args;
use nix::sys::signalfd::SignalFd;
use serde_json::json;

use crate::cli::client::{Client, decode};
use crate::cli::life::attach::warn_of_lost;
use crate::cli::life::not_run;
use crate::cli::life::start::StartVerb;
use crate::cli::query::follow::{follow, is_gone};
use crate::cli::stream::session::{self, OnSignal, STREAM, Wanted};
use crate::cli::stream::{raw, signals};
use crate::cli::term;
use crate::error::{Error, ErrorKind, ExitCode, Result};

/// The most bytes of output that come at once.
const MAX_BYTES: u64 = 256 * 1024;

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
        let ran = if self.start.streams() == [false; 2] { self.foreground() } else { self.attached() };
        ran.or_else(|error| {
            log::error!("{}", error.report());
            Ok(not_run::code(&error))
        })
    }

    /// With the user's input or terminal.
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
        let wanted = Wanted {
            input,
            terminal,
            raw_output: self.raw || terminal,
            is_attached: true,
            on_signal: OnSignal::Call(&stop),
        };
        let mut params = self.start.params()?;
        params["stream"] = STREAM.into();
        let client = self.start.common().connect()?;
        let end =
            session::run(client, "runContainer", params, wanted).map_err(|error| match error.kind() {
                ErrorKind::Unreachable => {
                    error.advise("if it runs, attach to it when the daemon is there again")
                }
                _ => error,
            })?;
        warn_of_lost(&end);
        Ok(end.code(not_run::NOT_RUN))
    }

    fn foreground(&self) -> Result<u8> {
        // Before the container is there: none is left behind by a signal.
        let signals = signals::receive(&signals::END)?;
        let client = RefCell::new(self.start.common().connect()?);
        let place = self.log_end(&mut client.borrow_mut());
        self.start.start(&mut client.borrow_mut())?;
        self.follow(&client, &signals, place)?;
        let about = json!({"containerId": self.start.id()});
        let ended = client.borrow_mut().call("waitContainer", about)?;
        let signal = ended["signal"].as_i64().map(|signal| 128 + signal);
        let code = ended["exitCode"].as_i64().or(signal).and_then(|code| u8::try_from(code).ok());
        Ok(code.unwrap_or(not_run::NOT_RUN))
    }

    /// Where the output of the next container with this id begins: an earlier one may have left a log, whose place counts on.
    fn log_end(&self, client: &mut Client) -> u64 {
        let end = client.call("getContainerLogs", json!({"containerId": self.start.id(), "bytes": 0}));
        end.ok().and_then(|end| end["next"].as_u64()).unwrap_or_default()
    }

    /// Prints the output from `place` on until the container is gone. The first signal stops it, another one kills it.
    fn follow(&self, client: &RefCell<Client>, signals: &SignalFd, place: u64) -> Result<()> {
        let (id, asked, is_hidden) = (self.start.id(), Cell::new(false), Cell::new(false));
        let part = |place: Option<u64>| {
            let params = json!({"containerId": id, "from": place, "bytes": MAX_BYTES, "encoding": "base64"});
            match client.borrow_mut().call("getContainerLogs", params) {
                Ok(part) => Ok((decode(&part["log"])?, part["next"].as_u64().unwrap_or_default())),
                Err(error) if error.kind() == ErrorKind::Unreachable => Err(error),
                // It runs all the same: its output may go elsewhere.
                Err(error) => {
                    if !is_hidden.replace(true) {
                        log::warn!("its output is not shown: {}", error.report());
                    }
                    Ok((Vec::new(), place.unwrap_or_default()))
                }
            }
        };
        let gone = || {
            while let Ok(Some(_)) = signals.read_signal() {
                let params = json!({"containerId": id, "force": asked.replace(true)});
                // One that has ended by itself needs no stop.
                let _gone = client.borrow_mut().call("stopContainer", params);
            }
            is_gone(client.borrow_mut().about("getContainerState", id))
        };
        follow(Some(place), part, gone, |new| term::output(new, self.raw))
    }
}
