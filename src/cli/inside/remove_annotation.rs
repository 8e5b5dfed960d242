//! `remove-annotation`: remove an annotation of a container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::Result;

/// Remove an annotation of a container
#[derive(Debug, Args)]
pub(crate) struct RemoveAnnotation {
    /// Id or descriptor
    id: String,
    /// Key of the annotation
    key: String,
    #[command(flatten)]
    common: Common,
}

impl RemoveAnnotation {
    pub(crate) fn run(&self) -> Result<()> {
        let params = json!({"containerId": self.id, "key": self.key});
        let result = self.common.connect()?.call("removeAnnotation", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("removed {} of {}", self.key, self.id))
    }
}
