//! What goes to the user: standard output, with foreign text made harmless when it is a terminal.

use std::io::{ErrorKind as IoKind, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::error::{Result, Tried};
use crate::log::{escape, escape_json};

/// Writes `bytes` as they are. A reader that has closed its end is not an error.
pub(crate) fn write(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == IoKind::BrokenPipe => std::process::exit(0),
        written => written.tried(|| "cannot write to standard output"),
    }
}

/// Writes one line of our own making, in which foreign text may stand.
pub(crate) fn line(text: &str) -> Result<()> {
    let text = if std::io::stdout().is_terminal() { escape(text) } else { text.to_owned() };
    write(format!("{text}\n").as_bytes())
}

/// Writes one line of JSON, in which nothing drives a terminal.
pub(crate) fn json(value: &Value) -> Result<()> {
    write(format!("{}\n", escape_json(&value.to_string())).as_bytes())
}

/// Writes a container's output: as it is, or with what would drive the terminal escaped.
pub(crate) fn output(bytes: &[u8], raw: bool) -> Result<()> {
    if raw || !std::io::stdout().is_terminal() { write(bytes) } else { write(tame(bytes).as_bytes()) }
}

/// Text whose lines and tabs are kept and whose other control characters are escaped.
fn tame(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let tame_line = |line: &str| line.split('\t').map(escape).collect::<Vec<_>>().join("\t");
    text.split('\n').map(|line| tame_line(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}

/// Writes a table: a head, and rows below it in columns.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_its_lines_and_loses_its_power() {
        assert_eq!(tame(b"a\tb\r\n\x1b[2Jc\n"), "a\tb\n\\u{1b}[2Jc\n");
        assert_eq!(tame(b"\xff"), "\u{fffd}");
    }
}
