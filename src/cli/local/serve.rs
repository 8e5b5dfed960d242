//! `serve`: the daemon itself.

use std::path::PathBuf;

use clap::Args;
use log::LevelFilter;

use crate::error::Result;
use crate::server::config::{DEFAULT_FILE, ServeOptions};
use crate::server::run::run;

/// Serve the API until SIGTERM; containers keep running when it ends
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Settings file
    #[arg(long, value_name = "FILE", help = format!("Settings file [default: {DEFAULT_FILE}, if there is one]"))]
    config: Option<PathBuf>,
    /// Minimum level to log: error, warn, info, debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: LevelFilter,
    #[command(flatten)]
    options: ServeOptions,
}

impl Serve {
    pub(crate) fn run(self) -> Result<()> {
        // Under systemd the journal has standard error already.
        let journal = std::env::var_os("JOURNAL_STREAM").is_some();
        let syslog = if journal { LevelFilter::Off } else { self.log_level };
        crate::log::start("ocicontainer", self.log_level, syslog);
        let options = self.options.over(ServeOptions::read(self.config.as_deref())?)?;
        run(&options)
    }
}
