//! The containers that a verb is for: some, or all.

use clap::Args;
use serde_json::Value;

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
    /// Does something to each, and says that it was done. One that fails keeps no other from it.
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
        let mut failed: Option<Error> = None;
        for id in &ids {
            let said = act(&mut client, id).and_then(|result| match common.json {
                true => term::json(&result),
                false => term::line(&format!("{done} {id}")),
            });
            match said {
                // Of all that there were, one has ended meanwhile.
                Err(error) if self.all && error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    if let Some(before) = failed.replace(error) {
                        log::error!("{}", before.report());
                    }
                }
                Ok(()) => {}
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
