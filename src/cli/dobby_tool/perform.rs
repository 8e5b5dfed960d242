//! One verb: carried out, or explained.

use std::path::Path;

use crate::cli::dobby_tool::verbs;
use crate::cli::term;
use crate::error::{ExitCode, Result};

/// The name under which the program is this one.
pub const NAME: &str = "DobbyTool";

/// Carries out one verb, reports a failure in Dobby's words, and gives the exit code.
pub(crate) fn perform(socket: &Path, verb: &str, args: &[String]) -> Result<u8> {
    let Err(failure) = verbs::run(socket, verb, args) else { return Ok(ExitCode::Ok as u8) };
    term::line(&format!("error - {}", failure.words))?;
    log::error!("{}", failure.error.report());
    Ok(failure.error.exit_code() as u8)
}

/// Prints all verbs, or one.
pub(crate) fn help(wanted: Option<&str>) -> Result<()> {
    if wanted.is_none() {
        term::line(&format!("Usage: {NAME} [-h] [-v] [-V] [--socket PATH] [command [arguments...]]\n"))?;
    }
    for (verb, args, about) in
        verbs::VERBS.iter().filter(|(verb, ..)| wanted.is_none_or(|wanted| wanted == *verb))
    {
        term::line(&format!("  {verb} {args}\n      {about}"))?;
    }
    if wanted.is_none() {
        term::line("  help [command]\n  quit")?;
    }
    Ok(())
}
