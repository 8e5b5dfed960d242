//! The hook's commands for people: one verb per file.

pub mod add;
pub mod check;
pub mod command_line;
pub mod core;
pub mod doctor;
pub mod enable;
pub mod harvest;
pub mod list;
pub mod notify;
pub mod remove;
pub mod sweep;

use std::io::Write;

use serde::Serialize;

use crate::error::{Result, Tried};
use crate::log::escape_json;

/// Writes a line of a command's result.
fn say(out: &mut impl Write, line: std::fmt::Arguments<'_>) -> Result<()> {
    out.write_fmt(line).and_then(|()| out.write_all(b"\n")).tried(|| "cannot write the result")
}

/// Writes a result for programs.
fn say_json(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other);
    say(out, format_args!("{}", escape_json(&text.tried(|| "cannot write the result")?)))
}
