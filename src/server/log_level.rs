//! What the daemon logs, which can change while it runs.

use std::path::PathBuf;

use log::LevelFilter;

use crate::server::config::ServeOptions;

/// The level, unless another is set.
pub const DEFAULT: LevelFilter = LevelFilter::Info;

/// Where the level comes from: the flag, or else the settings file.
#[derive(Debug)]
pub struct LogLevel {
    file: Option<PathBuf>,
    flag: Option<LevelFilter>,
}

impl LogLevel {
    /// The level of a daemon with this settings file and this flag.
    #[must_use]
    pub fn new(file: Option<PathBuf>, flag: Option<LevelFilter>) -> Self {
        Self { file, flag }
    }

    /// Logs from now on what these options say, the flag first.
    pub fn apply(&self, options: &ServeOptions) {
        crate::log::set_level(self.flag.or(options.log_level).unwrap_or(DEFAULT));
    }

    /// Reads the settings file anew and sets the level; a file that cannot be read changes nothing.
    pub fn reload(&self) {
        match ServeOptions::read(self.file.as_deref()) {
            Ok(options) => {
                self.apply(&options);
                let level = log::max_level().as_str().to_lowercase();
                log::info!("SIGHUP: the log level is {level}; other settings are read at the start only");
            }
            Err(error) => log::warn!("SIGHUP changes nothing: {}", error.report()),
        }
    }
}
