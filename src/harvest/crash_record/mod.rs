//! The crash record: what is known of a dump, in a small JSON file beside it. Its name matches no `*.dmp*`, by which uploaders
//! look for dumps.
//!
//! What holds whatever happens in between (a kill, a power cut, another hook):
//!
//! 1. A dump that an image holds gets its record: the image goes only when both are on the disk, and a harvest that is done
//!    again adds the record that is missing. Of a core file, which is written once, the record gets its name first.
//! 2. A record without its dump goes: with the next dump of that name, or with the next dump of the directory.
//! 3. No file of others is replaced, and none is removed.
//!
//! [`mod@file`] sees to that; [`attribute`] keeps records in the dumps themselves; [`find`] reads what is there. 2 and 3 need the lock of the directory, which is held while dump and record get their names.
//! Without it a name that a record has counts as taken.

pub mod attribute;
pub mod file;
pub mod find;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::dump::show::report::{Module, Report};
use crate::error::{ErrorKind, Result, Tried};
use crate::harvest::job::Owner;
use crate::harvest::name::fnv1a;
use crate::image::read::files::Time;
use crate::log::{escape_json, shortened};
use crate::oci::subject::Subject;

/// What a record's name ends in.
const SUFFIX: &str = ".json";
/// What dumps' names end in, and what no record's name may contain.
pub(super) const DUMP: &str = ".dmp";
/// What a record begins with, so that it is known where the file system keeps no extended attributes.
const BEGINNING: &[u8] = b"{\"crash_record\":1,";
/// The most bytes of a record that are read.
const MAX_SIZE: u64 = 16 << 10;
/// The longest text that is taken from a dump, in bytes.
const MAX_TEXT: usize = 256;
/// How much of a dump is read at once.
const CHUNK: usize = 64 << 10;

/// What is known of a dump. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashRecord {
    /// The version of the form: 1.
    pub crash_record: u32,
    /// The container's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What the engine says of the container.
    #[serde(flatten)]
    pub subject: Subject,
    /// When the crash was: UTC, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The file name of the program, and its GNU build id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// See `program`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_build_id: Option<String>,
    /// The signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The module that crashed, how far into it (`0x1234`), and its build id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// See `module`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// See `module`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// The length of the dump in bytes.
    pub size: u64,
    /// The SHA-256 of the dump, in hex.
    pub sha256: String,
    /// Whether something is missing of the dump.
    pub truncated: bool,
    /// What is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl CrashRecord {
    /// The record of a dump that was written at `time`. It says the same whenever it is made.
    ///
    /// # Errors
    /// The kernel's, when the dump cannot be read.
    pub fn of(dump: &File, owner: Owner<'_>, time: Time) -> Result<Self> {
        let (report, mut missing) = match Report::read(dump) {
            Ok(report) => (Some(report), None),
            Err(error) if error.kind() == ErrorKind::Input => (None, Some(error.report())),
            Err(error) => return Err(error),
        };
        let (size, sha256) = digest(dump).tried(|| "cannot read the copy")?;
        let report = report.as_ref();
        missing = missing.or_else(|| report?.truncated.clone());
        let program = report.and_then(|report| report.program.as_ref());
        let place = report.and_then(|report| report.place.as_ref());
        let module = place.and_then(|place| place.module.as_ref());
        let build_id = |module: Option<&Module>| module?.build_id.as_deref().map(text);
        Ok(Self {
            crash_record: 1,
            container: owner.container.map(text),
            subject: owner.subject.cloned().unwrap_or_default(),
            time: report.and_then(|report| report.time.clone()).or_else(|| rfc3339(time)),
            program: program.map(|program| text(&program.name)),
            program_build_id: build_id(program),
            signal: report.and_then(|report| Some(text(&report.crash.as_ref()?.signal))),
            module: module.map(|module| text(&module.name)),
            offset: place.and_then(|place| Some(place.offset?.to_string())),
            build_id: build_id(module),
            size,
            sha256,
            truncated: missing.is_some(),
            missing: missing.as_deref().map(text),
        })
    }

    /// Where the crash was, as people write it: `module+0x1234`, or what is known of that.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let (module, offset) = (self.module.clone()?, self.offset.as_ref());
        Some(offset.map_or_else(|| module.clone(), |offset| format!("{module}+{offset}")))
    }

    /// The bytes of its file: one line, harmless on a terminal.
    ///
    /// # Errors
    /// None that is known; a value that has no form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let text = serde_json::to_string(self).map_err(std::io::Error::other);
        Ok((escape_json(&text.tried(|| "cannot write a crash record")?) + "\n").into_bytes())
    }
}

/// The name of the record of the dump called `name`.
#[must_use]
pub fn file_name(name: &str) -> String {
    let stem = name.strip_suffix(DUMP).unwrap_or(name);
    if stem.contains(DUMP) {
        return format!("{}-{:016x}{SUFFIX}", stem.replace(DUMP, "_dmp"), fnv1a(name.as_bytes()));
    }
    format!("{stem}{SUFFIX}")
}

/// Whether a file is a record: only we begin files like that.
pub(super) fn is_record(path: &Path) -> bool {
    ours(path).is_some()
}

/// The bytes of a record, if that is what lies there.
fn ours(path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    file.metadata().ok().filter(|metadata| metadata.is_file() && metadata.len() <= MAX_SIZE)?;
    let mut bytes = Vec::new();
    file.take(MAX_SIZE).read_to_end(&mut bytes).ok()?;
    bytes.starts_with(BEGINNING).then_some(bytes)
}

/// A text of a container, bounded.
fn text(text: &str) -> String {
    shortened(text, MAX_TEXT).to_owned()
}

/// A time as crash records have it: UTC, RFC 3339.
pub(super) fn rfc3339(time: Time) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(time.seconds).ok()?.format(&Rfc3339).ok()
}

/// The length of a file and its SHA-256.
fn digest(file: &File) -> std::io::Result<(u64, String)> {
    let (mut hash, mut at, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let count = file.read_at(&mut chunk, at)?;
        if count == 0 {
            return Ok((at, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        hash.update(chunk.get(..count).unwrap_or_default());
        at += u64::try_from(count).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_of_a_record_looks_like_that_of_a_dump() {
        let names = ["a.dmp", "a.dmp.dmp", "a.dmpx.dmp", ".dmp", "a.dmp.b.dmp", "a_dmp.dmp", "x<#=#>1.dmp"];
        let records: HashSet<String> = names.iter().map(|name| file_name(name)).collect();
        assert_eq!(records.len(), names.len());
        assert!(records.iter().all(|name| !name.contains(".dmp") && name.ends_with(".json")), "{records:?}");
        assert_eq!(file_name("a.dmp"), "a.json");
    }

    #[test]
    fn a_record_says_what_it_knows_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.dmp");
        std::fs::write(&path, b"MDMP").unwrap();
        let file = File::open(&path).unwrap();
        let container = "c\u{202e}\n\"".repeat(200);
        let owner = Owner { container: Some(&container), ..Owner::default() };
        let record = CrashRecord::of(&file, owner, Time { seconds: 0, nanoseconds: 0 }).unwrap();
        let bytes = record.to_bytes().unwrap();
        assert!(bytes.starts_with(BEGINNING) && bytes.len() < 2000);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!((text.lines().count(), text.contains('\u{202e}')), (1, false), "{text}");
        std::fs::write(dir.path().join("a.json"), bytes).unwrap();
        assert_eq!(CrashRecord::find(&path).as_ref(), Some(&record));
        assert_eq!(
            (record.size, record.truncated, record.time.as_deref()),
            (4, true, Some("1970-01-01T00:00:00Z"))
        );
        // sha256sum of these four bytes.
        assert_eq!(record.sha256, "0bb2fcd163de4d5e0b8bebb54a4613f8693b546003870b8465a882cf080684f4");
        assert!(!text.contains("pod") && !text.contains("signal") && !text.contains("null"), "{text}");
    }
}
