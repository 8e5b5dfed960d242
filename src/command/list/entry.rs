//! One dump, from its file.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::command::list::filter::Filter;
use crate::dump::show::report::Report;
use crate::harvest::crash_record::CrashRecord;
use crate::harvest::marks;
use crate::log::shortened;

/// The longest text of a dump in a list, in bytes.
const MAX_TEXT: usize = 256;
/// What separates the parts of a dump's file name, where names are made for RDK's uploader.
const DELIMITER: &str = "<#=#>";

/// One dump.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its file.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// The file's name.
    pub file: String,
    /// The container, as the harvest marked the file, or as its name tells it.
    pub container: Option<String>,
    /// When the crash was: as the dump says, or else when the file was written last. UTC, RFC 3339.
    #[serde(serialize_with = "as_rfc3339")]
    pub time: Option<OffsetDateTime>,
    /// The size of the file in bytes.
    pub size: u64,
    /// The file name of the program. This and what follows is what the dump says; nothing when it is not a dump.
    pub program: Option<String>,
    /// The signal.
    pub signal: Option<String>,
    /// The module, and the offset in it.
    pub place: Option<String>,
    /// What is missing, if it is not whole.
    pub truncated: Option<String>,
    /// How many crashes of the container before this one were not kept.
    pub not_kept: u64,
    /// Its crash record, if there is one.
    pub record: Option<CrashRecord>,
    /// Why the file is not a dump.
    pub error: Option<String>,
}

impl Entry {
    /// One file; `None` when it has gone meanwhile, or is not wanted.
    #[must_use]
    pub fn read(path: PathBuf, filter: &Filter) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&path, flags, Mode::empty()).ok()?);
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        let container = container(&file, &name);
        if !filter.wants_container(container.as_deref()) {
            return None;
        }
        let report = Report::read(&file);
        // What the dump says goes before what was said of it.
        let record = CrashRecord::find(&path);
        let said = report.as_ref().ok();
        let said_time = said.and_then(|report| OffsetDateTime::parse(report.time.as_deref()?, &Rfc3339).ok());
        let program = said.and_then(|report| Some(report.program.as_ref()?.name.clone()));
        let program = program.or_else(|| record.as_ref()?.program.clone()).map(bounded);
        let time = said_time.or_else(|| OffsetDateTime::from_unix_timestamp(metadata.mtime()).ok());
        if !filter.wants(time, program.as_deref()) {
            return None;
        }
        Some(Self {
            file: name,
            container,
            time,
            size: metadata.len(),
            program,
            signal: said
                .and_then(|report| Some(report.crash.as_ref()?.signal.clone()))
                .or_else(|| record.as_ref()?.signal.clone())
                .map(bounded),
            place: said
                .and_then(|report| Some(report.place.as_ref()?.to_string()))
                .or_else(|| record.as_ref()?.place())
                .map(bounded),
            truncated: said.and_then(|report| report.truncated.clone()).map(bounded),
            not_kept: marks::not_kept_of(&file),
            record,
            error: report.as_ref().err().map(crate::error::Error::report),
            path,
        })
    }
}

/// A text of a dump, short enough for a list: one container's dumps must not keep those of others from it.
fn bounded(text: String) -> String {
    shortened(&text, MAX_TEXT).to_owned()
}

/// A mark is the word of the harvest; a name may have been chosen by the app.
fn container(file: &File, name: &str) -> Option<String> {
    let marked = marks::container_of(file).filter(|id| !id.is_empty());
    let marked = marked.map(|id| String::from_utf8_lossy(&id).into_owned());
    marked.or_else(|| name.split_once(DELIMITER).map(|(container, _)| container.to_owned()))
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn as_rfc3339<S: Serializer>(time: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.and_then(|time| time.format(&Rfc3339).ok()).serialize(serializer)
}
