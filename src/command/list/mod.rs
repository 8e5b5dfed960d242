//! `list`: the dumps on this host, newest first.
//!
//! - [`filter`]: which of them are wanted.
//! - [`entry`]: one dump, from its file.
//! - [`places`]: the directories in which dumps lie.
//! - [`table`]: the list for people.

pub mod entry;
pub mod filter;
pub mod places;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::command::list::entry::Entry;
use crate::command::list::filter::Filter;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::log::escape_json;
use crate::settings::admin::Admin;

/// The most files of a directory that are looked at.
const MAX_FILES: usize = 10_000;

/// Writes the dumps in `dirs` to `out`, newest first, as a table or as a JSON array; without directories, those in all
/// places that are known ([`places::known`]).
///
/// Only regular files `*.dmp` count; links are left alone. A file that is no dump is listed with the reason.
///
/// # Errors
/// When a directory that was named cannot be read, or `out` not written to.
pub fn list(
    dirs: &[PathBuf],
    filter: &Filter,
    json: bool,
    admin: &Admin,
    out: &mut impl Write,
) -> Result<()> {
    let entries = find(dirs, filter, admin)?;
    let written = if json { write_json(&entries, out) } else { table::write(&entries, out) };
    written.and_then(|()| out.flush()).tried(|| "cannot write the list")
}

/// The newest dump in all places that are known.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none.
pub fn newest(admin: &Admin) -> Result<PathBuf> {
    let entries = find(&[], &Filter::default(), admin)?;
    entries.into_iter().find(|entry| entry.error.is_none()).map(|entry| entry.path).ok_or_else(|| {
        let places: Vec<_> = places::known(admin).iter().map(|dir| dir.display().to_string()).collect();
        Error::new(ErrorKind::NotFound, format!("there is no dump in {}", places.join(", ")))
            .advise("name a file, or a directory with 'list DIR'")
    })
}

fn find(dirs: &[PathBuf], filter: &Filter, admin: &Admin) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if dirs.is_empty() {
        for dir in places::known(admin) {
            match read(&dir, filter, &mut entries) {
                Err(error) if dir.exists() => log::warn!("{}", error.report()),
                _ => {}
            }
        }
    } else {
        dirs.iter().try_for_each(|dir| read(dir, filter, &mut entries))?;
    }
    entries.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.path.cmp(&b.path)));
    Ok(entries)
}

/// Adds the dumps in one directory.
fn read(dir: &Path, filter: &Filter, entries: &mut Vec<Entry>) -> Result<()> {
    let shown = dir.display();
    let files = std::fs::read_dir(dir).tried(|| format!("cannot read the directory {shown}"))?;
    let dumps = files.filter_map(|file| {
        let file = file.ok()?;
        let is_dump = file.path().extension().is_some_and(|extension| extension == "dmp");
        (is_dump && file.file_type().is_ok_and(|kind| kind.is_file())).then(|| file.path())
    });
    let mut looked_at = 0;
    for path in dumps.take(MAX_FILES) {
        looked_at += 1;
        entries.extend(Entry::read(path, filter));
    }
    if looked_at == MAX_FILES {
        log::warn!("{shown} has more than {MAX_FILES} dumps; the others are not listed");
    }
    Ok(())
}

fn write_json(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(entries)?;
    writeln!(out, "{}", escape_json(&text))
}
