//! `dumps`: crash dumps that were brought to the host; works without the daemon.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::command::list;
use crate::command::list::beside::beside;
use crate::command::list::filter::{Filter, Moment};
use crate::dump::show::info;
use crate::error::{ExitCode, Result};
use crate::settings::admin;
use crate::settings::admin::Admin;

/// List and summarise crash dumps; works without the daemon
#[derive(Debug, Subcommand)]
pub(crate) enum Dumps {
    /// List the dumps in directories, newest first
    List {
        /// The directories [default: all to which dumps were brought or will be]
        #[arg(value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Only dumps of this container
        #[arg(long, value_name = "ID")]
        container: Option<String>,
        /// Only dumps of programs with this file name
        #[arg(long, value_name = "NAME")]
        program: Option<String>,
        /// No older dumps: 2026-11-27, 2026-11-27T10:00:00Z, or how long ago (30min, 2h, 7d)
        #[arg(long, value_name = "TIME")]
        since: Option<Moment>,
        /// No newer dumps
        #[arg(long, value_name = "TIME")]
        until: Option<Moment>,
        /// At most this many dumps, the newest
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Summarise crashes from their minidumps
    Info {
        /// The files [default: the newest dump]
        #[arg(value_name = "FILE")]
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
            Self::List { dirs, container, program, since, until, last, json } => {
                let (container, program) = (container.clone(), program.clone());
                let filter = Filter { container, program, since: *since, until: *until, last: *last };
                let admin = Admin::load(Path::new(admin::FILE))?;
                list::list(dirs, &filter, *json, &admin, &mut out).map(|()| ExitCode::Ok as u8)
            }
            Self::Info { files, json } if files.is_empty() => {
                let newest = list::newest(&Admin::load(Path::new(admin::FILE))?)?;
                info::info_with(&[newest], *json, beside, &mut out).map(|code| code as u8)
            }
            Self::Info { files, json } => {
                info::info_with(files, *json, beside, &mut out).map(|code| code as u8)
            }
        }
    }
}
