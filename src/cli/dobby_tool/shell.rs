//! Verbs from standard input, one per line.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use crate::cli::dobby_tool::perform::{help, perform};
use crate::error::{ExitCode, Result, Tried};

/// Carries out verbs until `quit` or the end of the input; the exit status is that of the last one that failed.
pub(crate) fn run(socket: &Path) -> Result<u8> {
    let input = std::io::stdin();
    let prompt = input.is_terminal();
    let mut status = ExitCode::Ok as u8;
    let mut lines = input.lock().lines();
    loop {
        if prompt {
            let mut out = std::io::stdout();
            // A terminal that is gone ends the input, too.
            let _closed = out.write_all(b"DobbyTool> ").and_then(|()| out.flush());
        }
        let Some(line) = lines.next() else { return Ok(status) };
        let line = line.tried(|| "cannot read standard input")?;
        let words = crate::control::split_words(&line)?;
        match words.split_first() {
            None => {}
            Some((verb, _)) if verb == "quit" => return Ok(status),
            Some((verb, args)) if verb == "help" => help(args.first().map(String::as_str))?,
            Some((verb, args)) => {
                let code = perform(socket, verb, args)?;
                status = if code == ExitCode::Ok as u8 { status } else { code };
            }
        }
    }
}
