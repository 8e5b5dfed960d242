//! `annotate`: make an annotation on a container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Make an annotation on a container
#[derive(Debug, Args)]
pub(crate) struct Annotate {
    /// Id or descriptor
    id: String,
    /// Key of the annotation
    key: String,
    /// Value of the annotation
    value: String,
    #[command(flatten)]
    common: Common,
}

impl Annotate {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id, "key": self.key, "value": self.value});
        let result = self.common.connect()?.call("annotate", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("annotated {}", self.id))
    }
}
