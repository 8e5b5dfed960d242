//! What every verb that talks to the daemon takes.

use std::path::PathBuf;

use clap::Args;

use crate::cli::client::Client;
use crate::error::Result;
use crate::server::config::DEFAULT_SOCKET;

/// The options of a verb that talks to the daemon.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The daemon's Unix socket
    #[arg(long, value_name = "PATH", env = "OCICONTAINER_SOCKET", default_value = DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
    /// Print the API's result as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Common {
    pub(crate) fn connect(&self) -> Result<Client> {
        Client::connect(&self.socket)
    }
}
