//! `ps`: all containers, with what a person wants to know of each.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::{term, units};
use crate::control::State;
use crate::error::{Error, ErrorKind, Result};

/// The most characters of a command that are shown on a terminal.
const MAX_COMMAND: usize = 40;
/// The states of those that have ended.
const ENDED: [&str; 2] = ["exited", "failed"];
/// The columns; how one has ended comes before the last.
const COLUMNS: [&str; 8] = ["ID", "PID", "STATE", "AGE", "RESTARTS", "CPU", "MEMORY", "COMMAND"];

/// List all containers with their figures
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
    /// List the last containers that have ended, too, and how they ended
    #[arg(short, long)]
    all: bool,
    /// Only containers with this id, state or exit code: id=TEXT (a part of it), state=STATE, exited=CODE; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    filter: Vec<(Field, String)>,
    /// Only this many, of those that have ended, too: those that run, the newest first, then those that ended last
    #[arg(short = 'n', long, value_name = "COUNT")]
    last: Option<usize>,
    /// How to print them
    #[arg(long, default_value = "table")]
    format: Format,
    #[command(flatten)]
    common: Common,
}

/// What can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    State,
    /// The code of one that has ended: 128 + N when signal N ended it.
    Exited,
}

/// How containers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns.
    Table,
    /// One line of JSON, as --json.
    Json,
}

fn filter(text: &str) -> Result<(Field, String)> {
    match text.split_once('=') {
        Some(("id" | "name", value)) => Ok((Field::Id, value.to_owned())),
        Some(("state" | "status", value)) if is_state(&value.to_lowercase()) => {
            Ok((Field::State, value.to_lowercase()))
        }
        Some(("state" | "status", value)) => {
            Err(Error::new(ErrorKind::Usage, format!("the state {value} is not known")))
        }
        Some(("exited", code)) => match code.parse::<u8>() {
            Ok(code) => Ok((Field::Exited, code.to_string())),
            Err(_) => Err(Error::new(ErrorKind::Usage, format!("{code} is not an exit code (0 to 255)"))),
        },
        _ => Err(Error::new(
            ErrorKind::Usage,
            "a filter is id=TEXT (or name=), state=STATE (or status=) or exited=CODE",
        )),
    }
}

/// Whether a row can have this state.
fn is_state(state: &str) -> bool {
    ENDED.contains(&state) || State::ALL.iter().any(|known| known.name().to_lowercase() == state)
}

/// A command as the table shows it: what is cut off on a terminal has a mark.
fn shown(command: String) -> String {
    match command.char_indices().nth(MAX_COMMAND) {
        Some((end, _)) if std::io::stdout().is_terminal() => format!("{}\u{2026}", &command[..end]),
        _ => command,
    }
}

impl Ps {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        let mut rows = Vec::new();
        let summaries = client.call("listSummaries", Value::Null)?;
        for summary in summaries["containers"].as_array().into_iter().flatten() {
            match row(&mut client, summary) {
                // It has ended meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                row => rows.extend(Some(row?).filter(|row| self.wants(row))),
            }
        }
        let with_ends = self.all || self.last.is_some() || self.wants_ended();
        if self.last.is_some() {
            rows.sort_by_key(|row| row["age"].as_u64());
        }
        if with_ends {
            let ended = client.call("listEnded", Value::Null)?;
            let ended = ended["ended"].as_array().into_iter().flatten().map(ended_row);
            rows.extend(ended.filter(|row| self.wants(row)));
        }
        rows.truncate(self.last.unwrap_or(usize::MAX));
        if self.common.json || self.format == Format::Json {
            return term::json(&json!({"containers": rows, "success": true}));
        }
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        if self.quiet {
            return rows.iter().try_for_each(|row| term::line(&text(row, "id")));
        }
        let cells = |row: &Value| {
            let number = |name: &str| row[name].as_u64();
            let dash = || "-".to_owned();
            let mut cells = vec![
                text(row, "id"),
                number("pid").map_or_else(dash, |pid| pid.to_string()),
                text(row, "state"),
                number("age").map_or_else(dash, units::time),
                number("restarts").map_or_else(dash, |restarts| restarts.to_string()),
                number("cpu").map_or_else(dash, |time| units::time(time / 1_000_000)),
                number("memory").map_or_else(dash, units::size),
                shown(text(row, "command")),
            ];
            if with_ends {
                cells.insert(COLUMNS.len() - 1, end(row));
            }
            cells
        };
        let rows: Vec<_> = rows.iter().map(cells).collect();
        let mut head = COLUMNS.to_vec();
        if with_ends {
            head.insert(COLUMNS.len() - 1, "ENDED");
        }
        term::table(&head, &rows)
    }

    /// Whether a filter can only be met by what has ended.
    fn wants_ended(&self) -> bool {
        self.filter.iter().any(|(field, value)| match field {
            Field::Exited => true,
            Field::State => ENDED.contains(&value.as_str()),
            Field::Id => false,
        })
    }

    fn wants(&self, row: &Value) -> bool {
        let meets = |(field, value): &(Field, String)| match field {
            Field::Id => row["id"].as_str().is_some_and(|id| id.contains(value)),
            Field::State => row["state"].as_str().is_some_and(|state| state.to_lowercase() == *value),
            Field::Exited => code(row).is_some_and(|code| code.to_string() == *value),
        };
        // Of several values of one field, one suffices.
        self.filter.iter().all(|(field, _)| self.filter.iter().filter(|(other, _)| other == field).any(meets))
    }
}

/// One container. `age` is in milliseconds, `cpu` in nanoseconds, `memory` in bytes; null when it is not known.
fn row(client: &mut Client, summary: &Value) -> Result<Value> {
    let id = summary["containerId"].as_str().unwrap_or_default();
    let result = client.about("getContainerInfo", id)?;
    let info = &result["info"];
    let config = client.about("getContainerConfig", id).unwrap_or_default();
    let words = config["config"]["process"]["args"].as_array().into_iter().flatten();
    let command: Vec<&str> = words.filter_map(Value::as_str).collect();
    Ok(json!({
        "id": id,
        "pid": info["pids"][0],
        "state": info["state"],
        "age": summary["age"],
        "restarts": summary["restarts"],
        "cpu": info["cpu"]["usage"]["total"],
        "memory": info["memory"]["user"]["usage"],
        "command": command.join(" "),
    }))
}

/// One that has ended. `ended` is in milliseconds since 1970; null when it is not known.
fn ended_row(ended: &Value) -> Value {
    json!({
        "id": ended["containerId"],
        "pid": null,
        "state": ENDED[usize::from(ended["failed"] == true)],
        "exitCode": ended["exitCode"],
        "signal": ended["signal"],
        "ended": ended["time"],
    })
}

/// The code that a shell would give for how a container ended.
fn code(row: &Value) -> Option<i64> {
    row["exitCode"].as_i64().or_else(|| row["signal"].as_i64().map(|signal| 128 + signal))
}

/// How and when a container ended.
fn end(row: &Value) -> String {
    let how = match (row["exitCode"].as_i64(), row["signal"].as_i64(), row["state"].as_str()) {
        (Some(code), _, _) => format!("exit code {code}"),
        (_, Some(signal), _) => format!("signal {signal}"),
        (_, _, Some("failed")) => "could not start".to_owned(),
        (_, _, Some("exited")) => "unknown exit status".to_owned(),
        _ => return "-".to_owned(),
    };
    row["ended"].as_u64().map_or_else(|| how.clone(), |time| format!("{how}, {}", units::ago(time)))
}
