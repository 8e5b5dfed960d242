//! The hook's commands for people: one verb per file.

pub mod add;
pub mod args;
pub mod check;
pub mod harvest;
pub mod help;
pub mod remove;

use std::io::Write;

use crate::error::{Result, Tried};

/// Writes a line of a command's result.
fn say(out: &mut impl Write, line: std::fmt::Arguments<'_>) -> Result<()> {
    out.write_fmt(line).and_then(|()| out.write_all(b"\n")).tried(|| "cannot write the result")
}
