//! `dump`: the configuration that the runtime got for a container.

use clap::Args;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;
use crate::log::escape_json;

/// Print the config.json that the runtime got for a container
#[derive(Debug, Args)]
pub(crate) struct Dump {
    /// Id or descriptor
    id: String,
    #[command(flatten)]
    common: Common,
}

impl Dump {
    pub(crate) fn run(&self) -> Result<()> {
        let result = self.common.connect()?.about("getContainerConfig", &self.id)?;
        if self.common.json {
            return term::json(&result);
        }
        term::write(format!("{}\n", escape_json(&format!("{:#}", result["config"]))).as_bytes())
    }
}
