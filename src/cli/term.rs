//! What goes to the user: standard output, with foreign text made harmless when it is a terminal.

use std::ffi::OsString;
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
pub(crate) fn tame(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let tame_line = |line: &str| line.split('\t').map(escape).collect::<Vec<_>>().join("\t");
    text.split('\n').map(|line| tame_line(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}

/// The column whose words have a colour.
const STATE: &str = "STATE";

/// Writes a table: a head, and rows below it in columns. States have a colour on a terminal that has colours.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let is_terminal = std::io::stdout().is_terminal();
    let harmless = |cell: &String| if is_terminal { escape(cell) } else { cell.clone() };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(harmless).collect()).collect();
    let coloured = is_terminal && wants_colours(|name| std::env::var_os(name));
    write(lay_out(head, &rows, coloured).as_bytes())
}

/// The lines of a table.
fn lay_out(head: &[&str], rows: &[Vec<String>], coloured: bool) -> String {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for ((cell, width), name) in row.iter().zip(&widths).zip(&head) {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()) + 2);
            match colour(cell).filter(|_| coloured && name == STATE) {
                Some(colour) => line.push_str(&format!("\x1b[{colour}m{cell}\x1b[0m{gap}")),
                None => line.push_str(&format!("{cell}{gap}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Whether a person wants colours, by the variables of the environment that say so.
fn wants_colours(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && variable("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// The number of the colour of a state.
fn colour(state: &str) -> Option<u8> {
    match state.to_ascii_lowercase().as_str() {
        "running" => Some(32),
        "stopped" | "exited" => Some(31),
        "paused" => Some(33),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_its_lines_and_loses_its_power() {
        assert_eq!(tame(b"a\tb\r\n\x1b[2Jc\n"), "a\tb\n\\u{1b}[2Jc\n");
        assert_eq!(tame(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn only_states_have_a_colour_and_columns_stay_where_they_are() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["running", "running", "x"]), row(["a", "paused", "y"]), row(["b", "dead", "z"])];
        let head = ["ID", "STATE", "COMMAND"];
        let plain =
            "ID       STATE    COMMAND\nrunning  running  x\na        paused   y\nb        dead     z\n";
        assert_eq!(lay_out(&head, &rows, false), plain);
        let shown = lay_out(&head, &rows, true);
        let green = "running  \x1b[32mrunning\x1b[0m  x\n";
        assert!(shown.contains(green) && shown.contains("\x1b[33mpaused\x1b[0m   y\n"), "{shown:?}");
        let bare =
            ["\x1b[32m", "\x1b[33m", "\x1b[0m"].iter().fold(shown, |text, code| text.replace(code, ""));
        assert_eq!(bare, plain);
        assert_eq!((colour("Stopped"), colour("EXITED"), colour("stopping")), (Some(31), Some(31), None));
    }

    #[test]
    fn colours_are_only_for_those_who_want_them() {
        let wants = |no_color: Option<&str>, term: Option<&str>| {
            wants_colours(|name| if name == "TERM" { term } else { no_color }.map(OsString::from))
        };
        assert!(wants(None, Some("xterm")) && wants(Some(""), Some("xterm")));
        assert!(!wants(Some("1"), Some("xterm")) && !wants(None, Some("dumb")) && !wants(None, None));
    }
}
