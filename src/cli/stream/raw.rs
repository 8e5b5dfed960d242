//! The user's terminal: its window, and raw mode, in which every key goes to the program.

use std::io::{IsTerminal as _, Stdin, stdin};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::control::WindowSize;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The size of the window of the terminal that standard input is; what it was at the time of paper if it is not known.
pub(crate) fn window(terminal: &Stdin) -> WindowSize {
    match tcgetwinsize(terminal) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            WindowSize { rows: size.ws_row, columns: size.ws_col }
        }
        _ => WindowSize { rows: 24, columns: 80 },
    }
}

/// Refuses a terminal for the user's standard input where that is none.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub(crate) fn must_be_terminal() -> Result<()> {
    if stdin().is_terminal() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Usage, "--tty needs a terminal, and standard input is none");
    Err(error.advise("leave --tty out"))
}

/// Which kind of terminal it is, as a variable of the environment: the user's, unless one of the words names another.
pub(crate) fn variable<'a>(mut words: impl Iterator<Item = &'a String>) -> Option<String> {
    let fits =
        |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte));
    let given = words.any(|word| word.contains("TERM="));
    let name = std::env::var("TERM").ok().filter(|name| !given && !name.is_empty() && fits(name))?;
    Some(format!("TERM={name}"))
}

/// A terminal in raw mode. Dropping it restores the settings from before: also when the program panics or fails.
#[derive(Debug)]
pub(crate) struct RawMode {
    terminal: Stdin,
    before: Termios,
}

impl RawMode {
    /// Enters raw mode.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn enter(terminal: Stdin) -> Result<Self> {
        let what = || "cannot set up the terminal";
        let before = tcgetattr(&terminal).tried(what)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Drain, &raw).tried(what)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Not after what is under way: a terminal whose output is stopped would keep us here.
        if let Err(error) = tcsetattr(&self.terminal, OptionalActions::Now, &self.before) {
            log::warn!("cannot restore the settings of the terminal (`stty sane` does): {error}");
        }
    }
}
