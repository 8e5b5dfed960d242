//! The program `DobbyTool`.

use std::path::PathBuf;

use log::LevelFilter;

use crate::cli::dobby_tool::perform::{NAME, help, perform};
use crate::cli::dobby_tool::shell;
use crate::cli::term;
use crate::error::{ExitCode, Result};
use crate::server::config::DEFAULT_SOCKET;

/// Carries out the command line of this process; what is returned is its exit code.
///
/// # Errors
/// Standard input or output cannot be used.
pub fn run(args: &[String]) -> Result<u8> {
    let (mut socket, mut level, mut rest) = (PathBuf::from(DEFAULT_SOCKET), LevelFilter::Warn, args);
    while let Some((option, behind)) = rest.split_first().filter(|(option, _)| option.starts_with('-')) {
        rest = behind;
        match option.as_str() {
            "-h" | "--help" => return help(None).map(|()| ExitCode::Ok as u8),
            "-V" | "--version" => {
                let text = format!("Version: {} (ocicontainer)", env!("CARGO_PKG_VERSION"));
                return term::line(&text).map(|()| ExitCode::Ok as u8);
            }
            "--socket" => match rest.split_first() {
                Some((path, behind)) => (socket, rest) = (path.into(), behind),
                None => return wrong(option),
            },
            _ if option.trim_start_matches('-').chars().all(|c| c == 'v') || option == "--verbose" => {
                level = LevelFilter::Debug;
            }
            _ => return wrong(option),
        }
    }
    crate::log::start(NAME, level, LevelFilter::Off);
    match rest.split_first() {
        Some((verb, args)) if verb == "help" => help(args.first().map(String::as_str)).map(|()| 0),
        Some((verb, args)) => perform(&socket, verb, args),
        None => shell::run(&socket),
    }
}

fn wrong(option: &str) -> Result<u8> {
    term::line(&format!("error - unknown option '{option}'"))?;
    Ok(ExitCode::Usage as u8)
}
