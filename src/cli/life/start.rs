//! `start`: a container from an OCI bundle.

use std::io::stdin;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::stream::raw;
use crate::cli::term;
use crate::cli::waiting::waiting;
use crate::error::{Result, Tried};
use crate::host::json_path;

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
    /// Keep its standard input open, for run and attach
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal; Ctrl-P, then Ctrl-Q, detaches run and attach from it
    #[arg(short, long)]
    tty: bool,
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

    /// Whether its standard input stays open, and whether it gets a terminal.
    pub(crate) fn streams(&self) -> [bool; 2] {
        [self.interactive, self.tty]
    }

    /// Starts it, and gives the API's result.
    pub(crate) fn start(&self, client: &mut Client) -> Result<Value> {
        let params = self.params()?;
        let _waiting = waiting(&self.common, &self.id);
        client.call("startContainer", params)
    }

    /// The parameters of a call that starts it.
    pub(crate) fn params(&self) -> Result<Value> {
        // The daemon has another working directory.
        let bundle = std::path::absolute(&self.bundle)
            .tried(|| format!("cannot find the bundle {}", self.bundle.display()))?;
        let mut env = self.env.clone();
        if self.tty {
            env.extend(raw::variable(self.env.iter()));
        }
        let size = self.tty.then(|| raw::window(&stdin()));
        Ok(json!({
            "containerId": self.id,
            "bundlePath": json_path(&bundle)?,
            "command": shell_words::join(&self.command),
            "westerosSocket": self.westeros.as_deref().map(json_path).transpose()?,
            "envvar": env,
            "interactive": self.interactive,
            "terminal": size.map(|size| json!({"rows": size.rows, "columns": size.columns})),
        }))
    }
}
