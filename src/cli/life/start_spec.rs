//! `start-spec`: a container from a legacy Dobby specification.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::cli::waiting::waiting;
use crate::dobby::read::input::Input;
use crate::error::Result;
use crate::host::json_path;

/// Start a container from a legacy Dobby specification
#[derive(Debug, Args)]
pub(crate) struct StartSpec {
    /// Id of the new container
    id: String,
    /// The specification (JSON)
    file: PathBuf,
    /// Environment variable for the container; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Westeros display socket to mount into the container
    #[arg(long, value_name = "SOCKET")]
    westeros: Option<PathBuf>,
    /// Command to run instead of the specification's
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl StartSpec {
    pub(crate) fn run(&self) -> Result<()> {
        let spec = Input::File(self.file.clone()).read()?;
        let params = json!({
            "containerId": self.id,
            "dobbySpec": spec,
            "command": shell_words::join(&self.command),
            "westerosSocket": self.westeros.as_deref().map(json_path).transpose()?,
            "envvar": self.env,
        });
        let waiting = waiting(&self.common, &self.id);
        let result = self.common.connect()?.call("startContainerFromDobbySpec", params)?;
        drop(waiting);
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("started {}, descriptor {}", self.id, result["descriptor"]))
    }
}
