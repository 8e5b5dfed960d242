//! The stacks of dumps in words and in JSON. Whatever a container may have written is escaped.

use std::fmt::{self, Display};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fingerprint::fingerprint;
use super::input;
use super::symbols::Symbols;
use super::walk::{self, Frame, Thread, Which};
use crate::dump::Report;
use crate::error::{ExitCode, Result, Tried};
use crate::log::{escape, escape_json};

/// What is wanted of the dumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Words.
    Text,
    /// One JSON array with an object for each path.
    Json,
    /// A line for each dump: its fingerprint (`-` without one), two spaces, its path.
    Fingerprint,
}

/// A dump with its stacks.
#[derive(Debug, Serialize)]
pub struct Stacks {
    /// What the dump says of the crash.
    #[serde(flatten)]
    pub report: Report,
    /// The same for the same crash; see [`mod@super::fingerprint`].
    pub fingerprint: Option<String>,
    /// The stacks, that of the thread that crashed first.
    pub stacks: Vec<Thread>,
}

impl Stacks {
    /// The stacks of the dump at `path` that are wanted; the fingerprint is the same with all of them.
    ///
    /// # Errors
    /// `Input` when it is not a dump with stacks; the operating system's error when it cannot be read.
    pub fn read(path: &Path, which: Which, symbols: &Symbols) -> Result<Self> {
        let dump = input::read(path)?;
        let within = |error: crate::error::Error| error.within(path.display());
        let report = Report::read(&dump.file).map_err(within)?;
        let stacks = walk::walk_in(&dump.bytes, &dump.file, which, symbols).map_err(within)?;
        let program = report.program.as_ref().map_or("", |program| program.name.as_str());
        let signal = report.crash.as_ref().map_or("", |crash| crash.signal.as_str());
        Ok(Self { fingerprint: fingerprint(program, signal, &stacks), report, stacks })
    }
}

/// One file's part of the JSON output.
#[derive(Serialize)]
struct Entry {
    file: String,
    #[serde(flatten)]
    stacks: Option<Stacks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes to `out` the stacks of the dumps at `paths`. A file that cannot be read is logged, and the others follow; the
/// exit code is the highest of all files.
///
/// # Errors
/// When `out` cannot be written to.
pub fn show(paths: &[PathBuf], symbols: &Symbols, form: Form, out: &mut impl Write) -> Result<ExitCode> {
    let (mut worst, mut entries) = (ExitCode::Ok, Vec::new());
    for path in paths {
        let file = path.display().to_string();
        let read = Stacks::read(path, Which::All, symbols);
        let error = read.as_ref().err().map(|error| {
            log::error!("{}", error.report());
            if error.exit_code() as u8 > worst as u8 {
                worst = error.exit_code();
            }
            error.report()
        });
        let entry = Entry { file, stacks: read.ok(), error };
        // One dump at a time in memory, but for JSON, which is one array.
        match form {
            Form::Json => entries.push(entry),
            Form::Text => write_text(&entry, out).tried(|| "cannot write the stacks")?,
            Form::Fingerprint => write_fingerprint(&entry, out).tried(|| "cannot write the fingerprint")?,
        }
    }
    let written = if form == Form::Json { write_json(&entries, out) } else { Ok(()) };
    written.and_then(|()| out.flush()).tried(|| "cannot write the stacks")?;
    Ok(worst)
}

fn write_json(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}", escape_json(&serde_json::to_string_pretty(entries)?))
}

fn write_fingerprint(entry: &Entry, out: &mut impl Write) -> std::io::Result<()> {
    let Some(stacks) = &entry.stacks else { return Ok(()) };
    writeln!(out, "{}  {}", stacks.fingerprint.as_deref().unwrap_or("-"), escape(&entry.file))
}

fn write_text(entry: &Entry, out: &mut impl Write) -> std::io::Result<()> {
    let Some(stacks) = &entry.stacks else { return Ok(()) };
    write!(out, "{:<12}{}\n{}", "file:", escape(&entry.file), stacks.report.details())?;
    if let Some(fingerprint) = &stacks.fingerprint {
        writeln!(out, "{:<12}{fingerprint}", "crash id:")?;
    }
    stacks.stacks.iter().try_for_each(|thread| write!(out, "\n{thread}"))?;
    writeln!(out)
}

impl Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " \"{}\"", escape(name))?;
        }
        writeln!(f, "{}", if self.crashed { ", crashed" } else { "" })?;
        for (number, frame) in self.frames.iter().enumerate() {
            writeln!(f, "{number:4}  {:14}{frame}", frame.found_by)?;
        }
        match (self.frames.is_empty(), self.cut) {
            (true, _) => writeln!(f, "      not walked"),
            (_, true) => writeln!(f, "      and more"),
            _ => Ok(()),
        }
    }
}

impl Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(module), Some(offset)) = (&self.module, self.offset) else {
            return write!(f, "{}, outside all modules", self.address);
        };
        let module = escape(module);
        match (&self.function, self.function_offset) {
            (Some(function), Some(offset)) => write!(f, "{module}!{}+{offset}", escape(function))?,
            _ => write!(f, "{module}+{offset}")?,
        }
        match (&self.source, self.line) {
            (Some(source), Some(line)) => write!(f, " ({}:{line})", escape(source)),
            _ => Ok(()),
        }
    }
}
