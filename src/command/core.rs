//! `core --pattern`: the kernel's settings that call this program at a crash.

use std::io::Write;

use crate::command::say;
use crate::crash::pattern::{Current, wanted};
use crate::error::{Result, Tried};

/// Prints the settings in the form of sysctl.d(5). Changes nothing.
///
/// # Errors
/// As [`Current::read`] and [`wanted`].
pub fn pattern(out: &mut impl Write) -> Result<()> {
    let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
    let lines = wanted(&program, &Current::read()?)?;
    say(out, format_args!("{}", lines.to_string().trim_end()))
}
