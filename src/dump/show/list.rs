//! The verb `list`: the dumps in a folder, newest first.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::report::Report;
use crate::error::{Result, Tried};
use crate::log::{escape, escape_json};

/// The most files of a folder that are looked at.
const MAX_FILES: usize = 10_000;
/// What separates the parts of a container's dump in the file name, where names are made for RDK's uploader.
const DELIMITER: &str = "<#=#>";

/// One dump.
#[derive(Debug, Serialize)]
struct Entry {
    file: String,
    /// The container, where the file name tells it.
    container: Option<String>,
    /// When the crash was: as the dump says, or else when the file was written last. UTC, RFC 3339.
    time: Option<String>,
    size: u64,
    /// What the dump says; nothing when it is none.
    signal: Option<String>,
    place: Option<String>,
    truncated: Option<String>,
    error: Option<String>,
}

/// Writes to `out` what the `*.dmp` files of `folder` say, newest first: as a table, or as a JSON array.
///
/// Only regular files count; links are left alone. A file that is no dump is listed with the reason.
///
/// # Errors
/// When the folder cannot be read, or `out` not written to.
pub fn list(folder: &Path, json: bool, out: &mut impl Write) -> Result<()> {
    let entries = read(folder)?;
    let written = if json { write_json(&entries, out) } else { write_table(&entries, out) };
    written.and_then(|()| out.flush()).tried(|| "cannot write the list")
}

fn read(folder: &Path) -> Result<Vec<Entry>> {
    let shown = folder.display();
    let files = std::fs::read_dir(folder).tried(|| format!("cannot read the folder {shown}"))?;
    let dumps = files.filter_map(|file| {
        let file = file.ok()?;
        let is_dump = file.path().extension().is_some_and(|extension| extension == "dmp");
        (is_dump && file.file_type().is_ok_and(|kind| kind.is_file())).then(|| file.path())
    });
    let mut entries: Vec<Entry> = dumps.take(MAX_FILES).filter_map(|path| entry(&path)).collect();
    if entries.len() == MAX_FILES {
        log::warn!("{shown} has more than {MAX_FILES} dumps; the others are not listed");
    }
    // Times in UTC sort as text.
    entries.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.file.cmp(&b.file)));
    Ok(entries)
}

/// One file; `None` when it has gone meanwhile.
fn entry(path: &Path) -> Option<Entry> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let report = Report::read(&file);
    let said = report.as_ref().ok();
    let written = OffsetDateTime::from_unix_timestamp(metadata.mtime()).ok();
    let time = said.and_then(|report| report.time.clone()).or_else(|| written?.format(&Rfc3339).ok());
    Some(Entry {
        container: name.split_once(DELIMITER).map(|(container, _)| container.to_owned()),
        file: name,
        time,
        size: metadata.len(),
        signal: said.and_then(|report| Some(report.crash.as_ref()?.signal.clone())),
        place: said.and_then(|report| Some(report.place.as_ref()?.to_string())),
        truncated: said.and_then(|report| report.truncated.clone()),
        error: report.as_ref().err().map(crate::error::Error::report),
    })
}

fn write_json(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(entries)?;
    writeln!(out, "{}", escape_json(&text))
}

fn write_table(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let dash = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), escape);
    let mut rows = vec![["CONTAINER", "TIME", "SIZE", "SIGNAL", "PLACE", "STATE", "FILE"].map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        let state = match (&entry.error, &entry.truncated) {
            (Some(_), _) => "no dump",
            (None, Some(_)) => "truncated",
            (None, None) => "whole",
        };
        let (size, file) = (entry.size.to_string(), escape(&entry.file));
        let container = dash(&entry.container);
        [container, dash(&entry.time), size, dash(&entry.signal), dash(&entry.place), state.to_owned(), file]
    }));
    let mut widths = [0; 7];
    for (width, cell) in rows.iter().flat_map(|row| (0..7).zip(row)) {
        if let Some(widest) = widths.get_mut(width) {
            *widest = cell.chars().count().max(*widest);
        }
    }
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
