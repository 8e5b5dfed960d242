//! The list for people.

use std::io::Write;

use time::format_description::well_known::Rfc3339;

use crate::command::list::entry::Entry;
use crate::harvest::crash_record::CrashRecord;
use crate::log::escape;

const COLUMNS: usize = 8;
const TITLES: [&str; COLUMNS] = ["TIME", "CONTAINER", "PROGRAM", "SIGNAL", "PLACE", "SIZE", "STATE", "PATH"];

/// Writes a line for each dump, below the titles.
pub(super) fn write(entries: &[Entry], out: &mut impl Write) -> std::io::Result<()> {
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(entries.iter().map(row));
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
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

/// What people call the container: namespace, pod and name, as far as they are known.
fn names(entry: &Entry) -> String {
    let Some(CrashRecord { subject, .. }) = &entry.record else { return String::new() };
    let parts = [&subject.namespace, &subject.pod, &subject.name].into_iter().flatten();
    let names: Vec<String> = parts.map(|name| escape(name)).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join("/")) }
}

fn row(entry: &Entry) -> [String; COLUMNS] {
    let dash = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), escape);
    let state = match (&entry.error, &entry.truncated) {
        (Some(_), _) => "not a dump",
        (None, Some(_)) => "truncated",
        (None, None) => "whole",
    };
    let not_kept = match entry.not_kept {
        0 => String::new(),
        count => format!(", {count} before not kept"),
    };
    [
        dash(&entry.time.and_then(|time| time.format(&Rfc3339).ok())),
        dash(&entry.container) + &names(entry),
        dash(&entry.program),
        dash(&entry.signal),
        dash(&entry.place),
        entry.size.to_string(),
        state.to_owned() + &not_kept,
        escape(&entry.path.to_string_lossy()),
    ]
}
