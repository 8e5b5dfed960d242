//! Crash records in an extended attribute of the dump, where the administrator wants no second file: set before the dump gets
//! its name, so that there is never one without the other.
//!
//! An attribute has less room than a file: ext4 keeps all those of a file in one block of 4 KiB. A record that does not fit
//! is cut, always in the same order. Room for the marks comes first: retention needs them.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::error::{Result, Tried};
use crate::harvest::crash_record::CrashRecord;
use crate::harvest::destination::Destination;
use crate::harvest::marks::Marks;
use crate::notify::entry::{RECORD_ATTRIBUTE, record_of};

/// The most bytes of a record and the container's id together. The other marks, an SELinux label and what ext4 needs for
/// each take about 600.
const MAX_SIZE: usize = 3400;

/// Whether it was said that a file system takes no records.
static SAID: AtomicBool = AtomicBool::new(false);

impl CrashRecord {
    /// The record for the attribute of a dump: at most 3400 bytes, less the length of the container's id. What does not fit is
    /// left out, in this order: the build ids, what is missing, the image, the bundle, the boot, the names of the engine, the
    /// place, the program, the signal, the container.
    ///
    /// # Errors
    /// As [`CrashRecord::to_bytes`].
    pub fn to_attribute(&self) -> Result<Vec<u8>> {
        let most = MAX_SIZE.saturating_sub(self.container.as_ref().map_or(0, String::len));
        let mut record = self.clone();
        let mut bytes = record.to_bytes()?;
        for cut in CUTS {
            if bytes.len() <= most {
                break;
            }
            cut(&mut record);
            bytes = record.to_bytes()?;
        }
        Ok(bytes)
    }
}

/// What is left out, one after the other.
const CUTS: [fn(&mut CrashRecord); 10] = [
    |record| (record.build_id, record.program_build_id) = (None, None),
    |record| record.missing = None,
    |record| (record.subject.image, record.subject.digest) = (None, None),
    |record| record.subject.bundle = None,
    |record| record.subject.boot = None,
    |record| {
        let subject = &mut record.subject;
        (subject.name, subject.pod, subject.namespace) = (None, None, None);
    },
    |record| (record.module, record.offset) = (None, None),
    |record| record.program = None,
    |record| record.signal = None,
    |record| record.container = None,
];

impl Destination<'_> {
    /// Puts a record into the attribute of a dump that has no name yet. Gives whether the file system takes it.
    pub(in crate::harvest) fn attach(&self, dump: &File, record: &[u8], marks: Marks<'_>) -> bool {
        let set = || rustix::fs::fsetxattr(dump, RECORD_ATTRIBUTE, record, XattrFlags::empty());
        // The marks first: they must not be what finds no room.
        let refusal = match marks.write(dump).and_then(|()| set()) {
            Ok(()) => return true,
            Err(refusal) => refusal,
        };
        if !SAID.swap(true, Ordering::Relaxed) {
            log::warn!(
                "the file system of {} does not take crash records as extended attributes ({refusal}); they are files there",
                self.path().display()
            );
        }
        false
    }

    /// Gives a dump that was published before the record that it has not got.
    pub(in crate::harvest) fn attach_missing(&self, record: &[u8], name: &str) -> Result<()> {
        let path = self.path().join(name);
        if CrashRecord::find(&path).is_some() || record_of(&path).is_some() {
            return Ok(());
        }
        match rustix::fs::lsetxattr(&path, RECORD_ATTRIBUTE, record, XattrFlags::CREATE) {
            // An uploader has taken it, or another hook was faster.
            Ok(()) | Err(Errno::NOENT | Errno::EXIST) => Ok(()),
            refused => refused.tried(|| format!("cannot write the crash record of {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::subject::Subject;

    fn record(text: &str) -> CrashRecord {
        let some = || Some(text.to_owned());
        CrashRecord {
            crash_record: 1,
            container: some(),
            subject: Subject {
                name: some(),
                image: some(),
                bundle: some(),
                boot: some(),
                ..Subject::default()
            },
            time: Some("2026-11-27T10:00:00Z".to_owned()),
            program: some(),
            program_build_id: some(),
            signal: some(),
            module: some(),
            offset: some(),
            build_id: some(),
            size: 1,
            sha256: "0".repeat(64),
            truncated: true,
            missing: some(),
        }
    }

    #[test]
    fn what_fits_is_whole_and_build_ids_go_first() {
        let small = record("app");
        assert_eq!(small.to_attribute().unwrap(), small.to_bytes().unwrap());
        let long = record(&"x".repeat(256));
        let cut: CrashRecord = serde_json::from_slice(&long.to_attribute().unwrap()).unwrap();
        assert_eq!(cut, CrashRecord { build_id: None, program_build_id: None, ..long });
    }

    #[test]
    fn texts_that_grow_when_they_are_escaped_never_take_the_room_of_the_marks() {
        for text in ["\u{1}", "\"", "\u{202e}", "\u{10ffff}", "x"] {
            for length in 0..=256 / text.len() {
                let record = record(&text.repeat(length));
                let bytes = record.to_attribute().unwrap();
                assert!(bytes.len() + text.len() * length <= MAX_SIZE, "{text:?} {length}: {}", bytes.len());
                let read: CrashRecord = serde_json::from_slice(&bytes).unwrap();
                assert_eq!((read.size, read.sha256, read.truncated), (1, record.sha256, true));
            }
        }
    }
}
