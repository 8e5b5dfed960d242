//! `start`: a container from an OCI bundle.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::term;
use crate::cli::waiting::waiting;
use crate::error::{Result, Tried};

/// Start a container from an OCI bundle
#[derive(Debug, Args)]
pub(crate) struct StartVerb {
    /// Id of the new container
    id: String,
    /// Directory with config.json and the root file system
    bundle: PathBuf,
    /// Environment variable for the container; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Westeros display socket to mount into the container
    #[arg(long, value_name = "SOCKET")]
    westeros: Option<PathBuf>,
    /// Command to run instead of the bundle's
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl StartVerb {
    pub(crate) fn run(&self) -> Result<()> {
        let result = self.start(&mut self.common.connect()?)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("started {}, descriptor {}", self.id, result["descriptor"]))
    }

    /// The new container's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn common(&self) -> &Common {
        &self.common
    }

    /// Starts it, and gives the API's result.
    pub(crate) fn start(&self, client: &mut Client) -> Result<Value> {
        // The daemon has another working directory.
        let bundle = std::path::absolute(&self.bundle)
            .tried(|| format!("cannot find the bundle {}", self.bundle.display()))?;
        let params = json!({
            "containerId": self.id,
            "bundlePath": bundle,
            "command": shell_words::join(&self.command),
            "westerosSocket": self.westeros,
            "envvar": self.env,
        });
        let _waiting = waiting(&self.common, &self.id);
        client.call("startContainer", params)
    }
}
