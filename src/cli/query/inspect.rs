//! `inspect`: everything that the daemon knows of containers.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::ids::Failures;
use crate::cli::term;
use crate::error::Result;
use crate::log::escape_json;

/// Print everything that is known of containers
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Ids or descriptors; each is printed by itself
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        let mut failures = Failures::default();
        for id in &self.ids {
            failures.note(self.one(&mut client, id));
        }
        failures.end()
    }

    fn one(&self, client: &mut Client, id: &str) -> Result<()> {
        let result = client.about("getContainerInfo", id)?;
        let id = result["info"]["id"].as_str().unwrap_or(id).to_owned();
        let config = client.about("getContainerConfig", &id)?;
        let summaries = client.call("listSummaries", Value::Null)?;
        let mut summaries = summaries["containers"].as_array().into_iter().flatten();
        let summary =
            summaries.find(|summary| summary["containerId"] == id.as_str()).cloned().unwrap_or_default();
        let dumps = client.about("listMinidumps", &id)?;
        let all = json!({
            "id": id,
            "state": result["info"]["state"],
            "age": summary["age"],
            "restarts": summary["restarts"],
            "info": result["info"],
            "config": config["config"],
            "minidumps": dumps["minidumps"],
        });
        if self.common.json {
            return term::json(&all);
        }
        term::write(format!("{}\n", escape_json(&format!("{all:#}"))).as_bytes())
    }
}
