//! `serve`: the daemon itself.

use std::path::PathBuf;

use clap::Args;
use log::LevelFilter;

use crate::error::Result;
use crate::server::config::{DEFAULT_FILE, ServeOptions};
use crate::server::log_level::{self, LogLevel};
use crate::server::run::run;

/// Serve the API until SIGTERM; containers keep running when it ends
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Settings file
    #[arg(long, value_name = "FILE", help = format!("Settings file [default: {DEFAULT_FILE}, if there is one]"))]
    config: Option<PathBuf>,
    #[command(flatten)]
    options: ServeOptions,
}

impl Serve {
    pub(crate) fn run(self) -> Result<()> {
        // Under systemd the journal has standard error already.
        let journal = std::env::var_os("JOURNAL_STREAM").is_some();
        let syslog = if journal { LevelFilter::Off } else { LevelFilter::Trace };
        crate::log::start("ocicontainer", LevelFilter::Trace, syslog);
        let level = LogLevel::new(self.config.clone(), self.options.log_level);
        crate::log::set_level(self.options.log_level.unwrap_or(log_level::DEFAULT));
        let options = self.options.over(ServeOptions::read(self.config.as_deref())?)?;
        level.apply(&options);
        run(&options, &level)
    }
}
