//! The verb `info`: says what crashed, from dump files.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::Serialize;
use serde_json::Value;

use super::report::Report;
use super::to_reader;
use crate::error::{Error, ErrorKind, ExitCode, Result, Tried};
use crate::log::{escape, escape_json};

/// What lies beside a dump and does not stand in it.
#[derive(Debug, Default)]
pub struct Beside {
    /// Lines for people: a name, and what it is.
    pub lines: Vec<(&'static str, String)>,
    /// The same in JSON, by name.
    pub json: serde_json::Map<String, Value>,
}

/// One file's part of the JSON output.
#[derive(Serialize)]
struct Entry {
    file: String,
    #[serde(flatten)]
    report: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    json: serde_json::Map<String, Value>,
    #[serde(skip)]
    lines: Vec<(&'static str, String)>,
}

/// Writes to `out` what each of the dumps at `paths` says: as text, or as one JSON array with an object for each path.
///
/// A file that cannot be read is logged (and in JSON has an `error`), and the others follow. The exit code returned is
/// the highest of all files. A dump that is cut is no error: the report says so.
///
/// # Errors
/// Only when `out` cannot be written to.
pub fn info(paths: &[PathBuf], json: bool, out: &mut impl Write) -> Result<ExitCode> {
    info_with(paths, json, |_| Beside::default(), out)
}

/// Does the same, and adds what `beside` knows of each dump.
///
/// # Errors
/// As [`info`].
pub fn info_with(
    paths: &[PathBuf],
    json: bool,
    beside: impl Fn(&Path) -> Beside,
    out: &mut impl Write,
) -> Result<ExitCode> {
    let mut worst = ExitCode::Ok;
    let mut entries = Vec::new();
    for path in paths {
        let file = path.display().to_string();
        let (report, error) = match read(path) {
            Ok(report) => (Some(report), None),
            Err(error) => {
                worst = highest(worst, error.exit_code());
                log::error!("{}", error.report());
                (None, Some(error.report()))
            }
        };
        let Beside { lines, json } = beside(path);
        entries.push(Entry { file, report, error, json, lines });
    }
    let written = if json { write_json(&entries, out) } else { write_text(&entries, out) };
    to_reader(written.and_then(|()| out.flush())).tried(|| "cannot write the report")?;
    Ok(worst)
}

/// Opens a dump without hanging on a FIFO that lies there in its place.
///
/// # Errors
/// `Input` when it is not a regular file; the kernel's, when it cannot be opened.
pub fn open(path: &Path) -> Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.tried(|| format!("cannot open {}", path.display()))?;
    let metadata = file.metadata().tried(|| format!("cannot examine {}", path.display()))?;
    if !metadata.is_file() {
        let what = format!("{} is not a regular file", path.display());
        return Err(Error::new(ErrorKind::Input, what).advise("name a minidump file"));
    }
    Ok(file)
}

fn read(path: &Path) -> Result<Report> {
    let file = open(path)?;
    Report::read(&file).map_err(|error| error.within(path.display()))
}

fn highest(one: ExitCode, other: ExitCode) -> ExitCode {
    if other as u8 > one as u8 { other } else { one }
}

fn write_json(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(entries)?;
    writeln!(out, "{}", escape_json(&text))
}

/// A block of lines for each dump, with an empty line between two.
fn write_text(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let mut first = true;
    for entry in entries {
        let Some(report) = &entry.report else { continue };
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        write!(out, "{:<12}{}\n{}", "file:", escape(&entry.file), report.details())?;
        for (name, text) in &entry.lines {
            writeln!(out, "{:<12}{}", format!("{name}:"), escape(text))?;
        }
    }
    Ok(())
}
