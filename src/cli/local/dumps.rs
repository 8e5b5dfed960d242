//! `dumps`: crash dumps that were brought to the host; works without the daemon.

use std::path::PathBuf;

use clap::Subcommand;

use crate::dump::show::{info, list};
use crate::error::{ExitCode, Result};

/// List and summarise crash dumps; works without the daemon
#[derive(Debug, Subcommand)]
pub(crate) enum Dumps {
    /// List the dumps in a folder, newest first
    List {
        /// The folder
        #[arg(default_value = "/opt/minidumps")]
        folder: PathBuf,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Summarise crashes from their minidumps
    Info {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
}

impl Dumps {
    pub(crate) fn run(&self) -> Result<u8> {
        let mut out = std::io::stdout().lock();
        match self {
            Self::List { folder, json } => list::list(folder, *json, &mut out).map(|()| ExitCode::Ok as u8),
            Self::Info { files, json } => info::info(files, *json, &mut out).map(|code| code as u8),
        }
    }
}
