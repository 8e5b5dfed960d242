//! `run`: a container from its start to its end.

use std::cell::{Cell, RefCell};

use clap::Args;
use nix::sys::signalfd::SignalFd;
use serde_json::json;

use crate::cli::client::{Client, decode};
use crate::cli::life::start::StartVerb;
use crate::cli::query::follow::{follow, is_gone};
use crate::cli::stream::signals;
use crate::cli::term;
use crate::error::{ExitCode, Result};

/// The most bytes of output that come at once.
const MAX_BYTES: u64 = 256 * 1024;
/// What is returned of a container whose exit status is not known.
const UNKNOWN: u8 = 125;

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
        let common = self.start.common();
        // Before the container is there: none is left behind by a signal.
        let signals = signals::receive(&signals::END)?;
        let client = RefCell::new(common.connect()?);
        self.start.start(&mut client.borrow_mut())?;
        self.follow(&client, &signals)?;
        let about = json!({"containerId": self.start.id()});
        let ended = client.borrow_mut().call("waitContainer", about)?;
        let signal = ended["signal"].as_i64().map(|signal| 128 + signal);
        let code = ended["exitCode"].as_i64().or(signal).and_then(|code| u8::try_from(code).ok());
        Ok(code.unwrap_or(UNKNOWN))
    }

    /// Prints the output until the container is gone. The first signal stops it, another one kills it.
    fn follow(&self, client: &RefCell<Client>, signals: &SignalFd) -> Result<()> {
        let (id, asked) = (self.start.id(), Cell::new(false));
        let part = |from: Option<u64>| {
            // A start begins a new log, so that all there is of it is of this container.
            let place = from.unwrap_or(0);
            let params = json!({"containerId": id, "from": place, "bytes": MAX_BYTES, "encoding": "base64"});
            let part = client.borrow_mut().call("getContainerLogs", params)?;
            Ok((decode(&part["log"])?, part["next"].as_u64().unwrap_or_default()))
        };
        let gone = || {
            while let Ok(Some(_)) = signals.read_signal() {
                let params = json!({"containerId": id, "force": asked.replace(true)});
                // One that has ended by itself needs no stop.
                let _gone = client.borrow_mut().call("stopContainer", params);
            }
            is_gone(client.borrow_mut().about("getContainerState", id))
        };
        follow(part, gone, |new| term::output(new, self.raw))
    }
}
