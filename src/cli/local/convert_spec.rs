//! `convert-spec`: a bundle from a legacy Dobby specification, for any OCI runtime.

use std::path::PathBuf;

use clap::Args;

use crate::cli::term;
use crate::dobby;
use crate::dobby::host::Host;
use crate::dobby::settings;
use crate::error::Result;

/// Write a legacy Dobby specification as an OCI bundle, without the daemon
#[derive(Debug, Args)]
pub(crate) struct ConvertSpec {
    /// The specification (JSON)
    file: PathBuf,
    /// Directory to make: config.json and rootfs
    #[arg(long, value_name = "BUNDLE")]
    to: PathBuf,
    /// Dobby's settings
    #[arg(long, value_name = "FILE", default_value = settings::DEFAULT_PATH)]
    dobby_settings: PathBuf,
}

impl ConvertSpec {
    pub(crate) fn run(&self) -> Result<()> {
        let (host, odd_settings) = Host::detect(&self.dobby_settings)?;
        let conversion = dobby::convert_spec(&self.file, &self.to, &host)?;
        for warning in odd_settings.iter().chain(&conversion.warnings) {
            log::warn!("{warning}");
        }
        term::line(&format!("wrote {}", self.to.display()))
    }
}
