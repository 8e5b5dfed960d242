//! `list`: all containers.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::{ErrorKind, Result};

/// List all containers
#[derive(Debug, Args)]
pub(crate) struct ListVerb {
    #[command(flatten)]
    common: Common,
}

impl ListVerb {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        let result = client.call("listContainers", json!({}))?;
        if self.common.json {
            return term::json(&result);
        }
        let mut rows = Vec::new();
        for container in result["containers"].as_array().into_iter().flatten() {
            let id = container["Id"].as_str().unwrap_or_default();
            let state = match client.about("getContainerState", id) {
                // It ended since then.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                state => state?,
            };
            let state = state["state"].as_str().unwrap_or_default().to_owned();
            rows.push(vec![container["Descriptor"].to_string(), id.to_owned(), state]);
        }
        term::table(&["DESCRIPTOR", "ID", "STATE"], &rows)
    }
}
