//! `mount`: mount a directory of the host in a running container.

use clap::Args;
use serde_json::json;

use crate::cli::common::Common;
use crate::cli::term;
use crate::error::{Result, Tried};

/// Mount a directory of the host in a running container
#[derive(Debug, Args)]
pub(crate) struct MountVerb {
    /// Id or descriptor
    id: String,
    /// Directory on the host
    source: String,
    /// Path in the container
    target: String,
    /// Flags with commas between them: rbind, ro, noexec and others of mount(8)
    #[arg(short, long, value_name = "FLAGS", value_delimiter = ',')]
    options: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl MountVerb {
    pub(crate) fn run(&self) -> Result<()> {
        // The daemon's working directory is another.
        let source = std::path::absolute(&self.source).tried(|| format!("cannot resolve {}", self.source))?;
        let params = json!({
            "containerId": self.id,
            "source": source,
            "target": self.target,
            "flags": self.options,
        });
        let result = self.common.connect()?.call("mount", params)?;
        if self.common.json {
            return term::json(&result);
        }
        term::line(&format!("mounted {} on {} in {}", self.source, self.target, self.id))
    }
}
