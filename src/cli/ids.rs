//! The containers that a verb is for: some, or all.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::term;
use crate::error::{Error, ErrorKind, Result};

/// Which containers.
#[derive(Debug, Args)]
pub(crate) struct Ids {
    /// Ids or descriptors
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All containers
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

/// The ids of all containers.
pub(crate) fn all(client: &mut Client) -> Result<Vec<String>> {
    let listed = client.call("listContainers", Value::Null)?;
    let containers = listed["containers"].as_array().into_iter().flatten();
    Ok(containers.filter_map(|container| container["Id"].as_str().map(str::to_owned)).collect())
}

impl Ids {
    /// Does something to each, and says that it was done. One that fails keeps no other from it. In JSON, each of several has
    /// a line that names it, also one that fails.
    ///
    /// # Errors
    /// The last failure; those before it are logged.
    pub(crate) fn each(
        &self,
        common: &Common,
        done: &str,
        mut act: impl FnMut(&mut Client, &str) -> Result<Value>,
    ) -> Result<()> {
        let mut client = common.connect()?;
        let ids = if self.all { all(&mut client)? } else { self.ids.clone() };
        let mut failures = Failures::default();
        for id in &ids {
            let result = act(&mut client, id);
            let said = match common.json {
                true => say_json(result, (self.all || ids.len() > 1).then_some(id)),
                false => result.and_then(|_| term::line(&format!("{done} {id}"))),
            };
            match said {
                // Of all that there were, one has ended meanwhile.
                Err(error) if self.all && error.kind() == ErrorKind::NotFound => {}
                said => failures.note(said),
            }
        }
        failures.end()
    }
}

/// What failed of several things, none of which keeps another from being done.
#[derive(Debug, Default)]
pub(crate) struct Failures(Option<Error>);

impl Failures {
    /// Notes what became of one; the failure before it is logged.
    pub(crate) fn note(&mut self, outcome: Result<()>) {
        if let Err(error) = outcome
            && let Some(before) = self.0.replace(error)
        {
            log::error!("{}", before.report());
        }
    }

    /// The last failure.
    ///
    /// # Errors
    /// If there was one.
    pub(crate) fn end(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Prints a result in JSON: of one of several containers, whose id is given, also a failure.
fn say_json(result: Result<Value>, id: Option<&String>) -> Result<()> {
    let Some(id) = id else { return term::json(&result?) };
    let mut line = match &result {
        Ok(result) => result.clone(),
        Err(error) => json!({"success": false, "errorReason": error.report()}),
    };
    if let Some(members) = line.as_object_mut() {
        members.insert("containerId".to_owned(), id.as_str().into());
    }
    term::json(&line)?;
    result.map(drop)
}
