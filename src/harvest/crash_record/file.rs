//! The files of crash records: each gets its name just before its dump, and goes when that has gone.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::error::{Result, Tried};
use crate::harvest::crash_record::{DUMP, file_name, is_record};
use crate::harvest::destination::{Destination, lock};
use crate::harvest::marks::Marks;

impl Destination<'_> {
    /// Makes way for a record: one without its dump is of a hook that was killed. Gives whether the name is free.
    pub(in crate::harvest) fn clear_orphan(&self, record_name: &str, is_locked: bool) -> Result<bool> {
        if !self.exists(record_name) {
            return Ok(true);
        }
        let path = self.path().join(record_name);
        if !is_locked || !is_record(&path) || self.has_dump_of(record_name)? {
            return Ok(false);
        }
        let removed = rustix::fs::unlinkat(&self.dir, record_name, AtFlags::empty());
        removed.tried(|| format!("cannot remove {}", path.display())).map(|()| true)
    }

    /// Whether a dump is there whose record has this name: a container may have chosen a name for its dump that makes the name
    /// of another's record.
    fn has_dump_of(&self, record_name: &str) -> Result<bool> {
        let what = || format!("cannot list {}", self.path().display());
        for entry in std::fs::read_dir(self.path()).tried(what)? {
            let name = entry.tried(what)?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(DUMP) && file_name(&name) == record_name {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a record in the name of its dump, which must be free.
    pub(in crate::harvest) fn write_record(
        &self,
        record: &[u8],
        record_name: &str,
        marks: Marks<'_>,
    ) -> Result<rustix::io::Result<()>> {
        if self.exists(record_name) {
            return Ok(Err(Errno::EXIST));
        }
        let what = || format!("cannot write {}", self.path().join(record_name).display());
        let mut draft = self.draft()?;
        draft.file().write_all(record).tried(what)?;
        self.finish(&draft.file, Marks { number: 0, not_kept: 0, ..marks }).tried(what)?;
        Ok(self.give_name(&mut draft, record_name))
    }

    /// Whether there is something of that name.
    pub(in crate::harvest) fn exists(&self, name: &str) -> bool {
        rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes the records whose dumps are gone, where records are kept.
    pub fn remove_orphans(&self) {
        if self.admin().crash_records.is_on()
            && let Err(error) = remove_orphans(self.path())
        {
            log::warn!("{}", error.report());
        }
    }
}

/// Removes the records in `dir` whose dump is gone: an uploader has taken it, or a hook was killed. Gives how many.
///
/// # Errors
/// The kernel's, when the directory cannot be read.
pub fn remove_orphans(dir: &Path) -> Result<usize> {
    // Without the lock, another hook may be about to give the dump its name.
    let Some(_lock) = lock(dir)? else { return Ok(0) };
    let (mut records, mut expected): (Vec<PathBuf>, HashSet<PathBuf>) = (Vec::new(), HashSet::new());
    let what = || format!("cannot list {}", dir.display());
    for entry in std::fs::read_dir(dir).tried(what)? {
        let path = entry.tried(what)?.path();
        let ending = path.extension().and_then(OsStr::to_str);
        match (ending, path.file_name().and_then(OsStr::to_str)) {
            (Some("dmp"), Some(name)) => drop(expected.insert(path.with_file_name(file_name(name)))),
            (Some("json"), Some(_)) => records.push(path),
            _ => {}
        }
    }
    records.retain(|path| !expected.contains(path) && is_record(path));
    for path in &records {
        if let Err(error) = std::fs::remove_file(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            log::warn!("cannot remove the crash record {}: {error}", path.display());
        }
    }
    Ok(records.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_when_their_dumps_are_gone_and_files_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        for name in ["kept.dmp", "a.dmp.dmp"] {
            write(name, "");
            write(&file_name(name), "{\"crash_record\":1,\"size\":0}");
        }
        write("gone.json", "{\"crash_record\":1,\"size\":0}");
        write("theirs.json", "{\"a\": 1}");
        std::os::unix::fs::symlink("gone.json", dir.path().join("link.json")).unwrap();
        assert_eq!(remove_orphans(dir.path()).unwrap(), 1);
        assert!(!dir.path().join("gone.json").exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
    }
}
