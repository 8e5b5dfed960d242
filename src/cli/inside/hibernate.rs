//! `hibernate`: have memcr write out the memory of a running container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Have memcr write out the memory of a running container
#[derive(Debug, Args)]
pub(crate) struct Hibernate {
    /// Id or descriptor
    id: String,
    /// Directory for the memory [default: memcr's own]
    #[arg(long, value_name = "DIR")]
    dest: Option<String>,
    /// Compression: lz4 or zstd [default: memcr's own]
    #[arg(long, value_name = "NAME")]
    compress: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Hibernate {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id, "options": self.options()});
        let result = self.common.connect()?.call("hibernateContainer", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("hibernating {}", self.id))
    }

    /// The options in Dobby's form.
    fn options(&self) -> String {
        let dest = self.dest.iter().map(|dir| format!("dest={dir}"));
        let compress = self.compress.iter().map(|name| format!("compress={name}"));
        dest.chain(compress).collect::<Vec<_>>().join(",")
    }
}
