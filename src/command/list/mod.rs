//! `list`: the dumps on this host, newest first.
//!
//! - [`filter`]: which of them are wanted.
//! - [`entry`]: one dump, from its file; [`beside`]: what `info` says of one besides.
//! - [`places`]: the directories in which dumps lie.
//! - `table`: the list for people.

pub mod beside;
pub mod entry;
pub mod filter;
pub mod places;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::command::list::entry::Entry;
use crate::command::list::filter::Filter;
use crate::dump::show::to_reader;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::log::escape_json;
use crate::settings::admin::Admin;

/// The most dumps of a directory that are read; the newest files are.
const MAX_DUMPS: usize = 10_000;
/// The most names of a directory that are looked at.
const MAX_NAMES: usize = 1_000_000;

/// Writes the dumps in `dirs` to `out`, newest first, as a table or as a JSON array; without directories, those in all
/// places that are known ([`places::known`]).
///
/// Only regular files `*.dmp` count; links are left alone. A file that is not a dump is listed with the reason.
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
    to_reader(written.and_then(|()| out.flush())).tried(|| "cannot write the list")
}

/// The newest dump in all places that are known.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none.
pub fn newest(admin: &Admin) -> Result<PathBuf> {
    let entries = find(&[], &Filter::default(), admin)?;
    entries.into_iter().find(|entry| entry.error.is_none()).map(|entry| entry.path).ok_or_else(|| {
        let places: Vec<_> = places::known(admin).iter().map(|dir| dir.display().to_string()).collect();
        Error::new(ErrorKind::NotFound, format!("found no dump in {}", places.join(", ")))
            .advise("name a file, or a directory with 'list DIR'")
    })
}

/// The dumps in `dirs`, or in all places that are known, newest first.
///
/// # Errors
/// When a directory that was named cannot be read.
pub fn find(dirs: &[PathBuf], filter: &Filter, admin: &Admin) -> Result<Vec<Entry>> {
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
    entries.truncate(filter.last.unwrap_or(usize::MAX));
    Ok(entries)
}

/// Adds the dumps in one directory.
fn read(dir: &Path, filter: &Filter, entries: &mut Vec<Entry>) -> Result<()> {
    let shown = dir.display();
    let files = std::fs::read_dir(dir).tried(|| format!("cannot read the directory {shown}"))?;
    let mut dumps: Vec<(Option<SystemTime>, PathBuf)> = Vec::new();
    for (number, file) in files.enumerate() {
        if number == MAX_NAMES {
            log::warn!("{shown} has more than {MAX_NAMES} files; the others are not looked at");
            break;
        }
        let Ok(file) = file else { continue };
        let is_dump = file.path().extension().is_some_and(|extension| extension == "dmp");
        if is_dump && file.file_type().is_ok_and(|kind| kind.is_file()) {
            dumps.push((file.metadata().and_then(|file| file.modified()).ok(), file.path()));
        }
    }
    if dumps.len() > MAX_DUMPS {
        log::warn!("{shown} has {} dumps; only the newest {MAX_DUMPS} are listed", dumps.len());
    }
    dumps.sort_unstable_by(|a, b| b.cmp(a));
    let read = dumps.into_iter().take(MAX_DUMPS).filter_map(|(_, path)| Entry::read(path, filter));
    // Older ones need not be opened.
    entries.extend(read.take(filter.last.unwrap_or(usize::MAX)));
    Ok(())
}

fn write_json(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(entries)?;
    writeln!(out, "{}", escape_json(&text))
}
