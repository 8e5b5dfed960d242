//! The crash record of a dump, as it is shown: other programs can write where it lies, so that it may say anything.

use std::path::Path;

use crate::harvest::crash_record::{CrashRecord, file_name, ours, text};
use crate::notify::entry::record_of;
use crate::oci::subject::Subject;

/// The version of the form that is understood.
const VERSION: u32 = 1;

impl CrashRecord {
    /// The record of the dump at `path`, if there is one that can be understood. Each text in it has at most 256 bytes.
    #[must_use]
    pub fn find(path: &Path) -> Option<Self> {
        let beside = || ours(&path.with_file_name(file_name(path.file_name()?.to_str()?)));
        let bytes = record_of(path).or_else(beside)?;
        let found = serde_json::from_slice::<Self>(&bytes).map_err(|error| error.to_string());
        let found = found.and_then(|record| match record.crash_record {
            VERSION => Ok(record.bounded()),
            other => Err(format!("it has the version {other}")),
        });
        found
            .inspect_err(|why| {
                log::debug!("the crash record of {} cannot be understood: {why}", path.display())
            })
            .ok()
    }

    fn bounded(mut self) -> Self {
        let Subject { name, pod, namespace, image, digest, bundle, boot, run: _ } = &mut self.subject;
        let said = [name, pod, namespace, image, digest, bundle, boot].into_iter();
        let own = [&mut self.container, &mut self.time, &mut self.program, &mut self.program_build_id];
        let crash = [&mut self.signal, &mut self.module, &mut self.offset, &mut self.build_id];
        let all = said.chain(own).chain(crash).chain([&mut self.missing]);
        for long in all.flatten().chain([&mut self.sha256]) {
            *long = text(long);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_cannot_be_understood_is_absent_and_a_long_one_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (dump, record) = (dir.path().join("a.dmp"), dir.path().join("a.json"));
        let end = "\"size\":1,\"sha256\":\"0\",\"truncated\":false}";
        let long =
            format!("{{\"crash_record\":1,\"pod\":\"{0}\",\"signal\":\"{0}\",{end}", "\u{e9}".repeat(1000));
        std::fs::write(&record, &long).unwrap();
        let found = CrashRecord::find(&dump).unwrap();
        assert!(found.to_bytes().unwrap().len() < 1400, "{found:?}");
        assert_eq!(found.subject.pod.map(|pod| pod.len()), Some(256));
        let huge = format!("{{\"crash_record\":1,\"pod\":\"{}\",{end}", "x".repeat(17 << 10));
        let bad = [
            "",
            "{",
            "{\"crash_record\":1,",
            "{\"crash_record\":1,\"size\":1}",
            "{\"crash_record\":1,\"size\":\"1\",\"sha256\":\"0\",\"truncated\":false}",
            "[1]",
            &huge,
        ];
        for text in bad {
            std::fs::write(&record, text).unwrap();
            assert_eq!(CrashRecord::find(&dump), None, "{text}");
        }
        let nested = "[".repeat(10_000);
        std::fs::write(&record, format!("{{\"crash_record\":1,\"pod\":{nested}")).unwrap();
        assert_eq!(CrashRecord::find(&dump), None);
        std::fs::write(dir.path().join("true.json"), &long).unwrap();
        std::fs::remove_file(&record).unwrap();
        std::os::unix::fs::symlink("true.json", &record).unwrap();
        assert_eq!(CrashRecord::find(&dump), None, "a link is not followed");
        std::fs::remove_file(&record).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &record, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert_eq!(CrashRecord::find(&dump), None, "a pipe is not waited for");
    }
}
