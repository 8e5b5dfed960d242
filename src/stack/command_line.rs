//! The command line of `oci-minidump-stack`.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use log::LevelFilter;

use super::show::{self, Form};
use super::symbols::Symbols;
use super::top;
use crate::command::list;
use crate::command::list::filter::{Filter, Moment};

use crate::error::{ExitCode, Result};
use crate::settings::admin::{self, Admin};

/// Says why a program crashed, from its minidump: the stack of each thread, and which crashes are the same
#[derive(Debug, Parser)]
#[command(name = "oci-minidump-stack", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the stack of each thread, and how each frame was found
    Info {
        /// The files [default: the newest dump]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Symbol file of Breakpad, ELF file, or directory of them; may be repeated
        #[arg(long, value_name = "DIR|FILE")]
        symbols: Vec<PathBuf>,
        /// Print only an id that is the same for the same crash, and the file
        #[arg(long, conflicts_with = "json")]
        fingerprint: bool,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Count the crashes that are the same, most frequent first
    Top {
        /// The directories [default: all to which dumps were brought or will be]
        #[arg(value_name = "DIR")]
        dirs: Vec<PathBuf>,
        /// Symbol file of Breakpad, ELF file, or directory of them; may be repeated
        #[arg(long, value_name = "DIR|FILE")]
        symbols: Vec<PathBuf>,
        /// Only dumps of this container
        #[arg(long, value_name = "ID")]
        container: Option<String>,
        /// No older dumps: 2026-11-27, 2026-11-27T10:00:00Z, or how long ago (30min, 2h, 7d)
        #[arg(long, value_name = "TIME")]
        since: Option<Moment>,
        /// The most lines
        #[arg(long, value_name = "COUNT", default_value_t = 20)]
        limit: usize,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
}

/// The whole command line: for manual pages and shell completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Carries out the command line of this process.
///
/// # Errors
/// Whatever stopped the verb.
pub fn run() -> Result<ExitCode> {
    let verb = Cli::parse().verb;
    crate::log::start("oci-minidump-stack", LevelFilter::Warn, LevelFilter::Off);
    let mut out = std::io::stdout().lock();
    match verb {
        Verb::Info { mut files, symbols, fingerprint, json } => {
            if files.is_empty() {
                files.push(list::newest(&Admin::load(Path::new(admin::FILE))?)?);
            }
            let form = match (fingerprint, json) {
                (true, _) => Form::Fingerprint,
                (_, true) => Form::Json,
                _ => Form::Text,
            };
            show::show(&files, &Symbols::at(&symbols)?, form, &mut out)
        }
        Verb::Top { dirs, symbols, container, since, limit, json } => {
            let filter = Filter { container, since, ..Filter::default() };
            let entries = list::find(&dirs, &filter, &Admin::load(Path::new(admin::FILE))?)?;
            let crashes = top::count(&entries, &Symbols::at(&symbols)?);
            top::write(&crashes, limit, json, &mut out).map(|()| ExitCode::Ok)
        }
    }
}
