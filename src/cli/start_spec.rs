//! `start-spec`: a container from a legacy Dobby specification.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Common, term};
use crate::error::{Error, ErrorKind, Result};
use crate::server::config::read_bounded;

/// The largest specification, in bytes; the daemon takes no larger request.
const MAX_SPEC: u64 = 1024 * 1024;

/// Start a container from a legacy Dobby specification
#[derive(Debug, Args)]
pub(super) struct StartSpec {
    /// Id of the new container
    id: String,
    /// The specification (JSON)
    file: PathBuf,
    /// Command to run instead of the specification's
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl StartSpec {
    pub(super) fn run(&self) -> Result<()> {
        let spec: Value = serde_json::from_str(&read_bounded(&self.file, MAX_SPEC)?).map_err(|error| {
            Error::new(ErrorKind::Input, format!("cannot understand {}", self.file.display()))
                .caused_by(error)
        })?;
        let command = shell_words::join(&self.command);
        let params = json!({"containerId": self.id, "dobbySpec": spec, "command": command});
        let result = self.common.connect()?.call("startContainerFromDobbySpec", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("started {}, descriptor {}", self.id, result["descriptor"]))
    }
}
