//! What a long operation waits for, said to a person: after a second, on standard error, and only when that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::log::escape;

/// How long nothing is said, and how often it is looked at afterwards.
const INTERVAL: Duration = Duration::from_secs(1);

/// Says what an operation on a container waits for, as long as this is there.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub(crate) struct Waiting {
    /// Ends the thread when it goes.
    _operation: Sender<()>,
}

/// The operation on the container begins; `None` without a person who looks.
pub(crate) fn waiting(common: &Common, id: &str) -> Option<Waiting> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let (operation, ended) = channel();
    let (socket, id) = (common.socket.clone(), id.to_owned());
    // Not waited for: it may be in the middle of a question that is of no interest any more.
    let _detached = std::thread::spawn(move || say(&socket, &id, &ended));
    Some(Waiting { _operation: operation })
}

fn say(socket: &Path, id: &str, ended: &Receiver<()>) {
    let (mut client, mut said) = (None, "");
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let Some(client) = client.get_or_insert_with(|| Client::connect(socket).ok()) else { return };
        let state = client.about("getContainerState", id).unwrap_or_default();
        let what = reason(state["state"].as_str().unwrap_or_default());
        let goes_on = ended.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout);
        if !what.is_empty() && what != said && goes_on {
            let text = format!("container {}: {what}\n", escape(id));
            let _closed = std::io::stderr().write_all(text.as_bytes());
            said = what;
        }
    }
}

/// What is waited for while a container is in a state.
fn reason(state: &str) -> &'static str {
    match state.to_ascii_lowercase().as_str() {
        "starting" => "waiting for the runtime to start it; hooks and an image of minidumps may take a while",
        "stopping" => "waiting for it to end",
        _ => "",
    }
}
