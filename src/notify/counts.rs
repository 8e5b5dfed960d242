//! Counts of crashes, which survive restarts: in a file beside the spool. Only the worker that has the lock of the spool
//! changes them.
//!
//! The file names the entry that was counted last, so that a worker that is killed just then counts nothing twice.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::notify::entry::Entry;
use crate::settings::admin::Admin;

/// The most series of each kind: names of containers are not bounded otherwise.
pub(super) const MAX_SERIES: usize = 200;
/// What all others are counted as.
pub(super) const OTHER: &str = "other";
/// The most bytes of the file.
const MAX_SIZE: u64 = 4 << 20;

/// All counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Crashes, by container and program.
    pub(super) crashes: BTreeMap<(String, String), u64>,
    /// Dumps that were not kept, by container.
    pub(super) not_kept: BTreeMap<String, u64>,
    last: String,
}

/// Their form in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    crashes: Vec<(String, String, u64)>,
    not_kept: Vec<(String, u64)>,
    last: String,
}

/// Counts what the entry `name` says, once. Gives all counts.
///
/// # Errors
/// The kernel's; nothing is counted then.
pub(super) fn count(admin: &Admin, name: &str, entry: &Entry) -> Result<Counts> {
    let mut counts = Counts::load(admin);
    if counts.last != name {
        counts.add(entry);
        name.clone_into(&mut counts.last);
        counts.save(admin)?;
    }
    Ok(counts)
}

fn path(admin: &Admin) -> PathBuf {
    admin.known_dirs.with_file_name("counts")
}

impl Counts {
    /// What the file says; nothing when there is none, or it is damaged.
    pub(super) fn load(admin: &Admin) -> Self {
        let path = path(admin);
        if !path.exists() {
            return Self::default();
        }
        let read = host::read_bounded(&path, MAX_SIZE).and_then(|bytes| {
            serde_json::from_slice::<Written>(&bytes).map_err(|error| {
                Error::new(ErrorKind::Corrupt, format!("{} is damaged", path.display())).caused_by(error)
            })
        });
        let Written { crashes, not_kept, last } = match read {
            Ok(written) => written,
            Err(error) => {
                log::warn!("{}; the counts of crashes start again", error.report());
                return Self::default();
            }
        };
        let crashes = crashes.into_iter().map(|(container, program, count)| ((container, program), count));
        Self { crashes: crashes.collect(), not_kept: not_kept.into_iter().collect(), last }
    }

    fn save(&self, admin: &Admin) -> Result<()> {
        let crashes = self.crashes.iter();
        let crashes =
            crashes.map(|((container, program), count)| (container.clone(), program.clone(), *count));
        let not_kept = self.not_kept.iter().map(|(container, count)| (container.clone(), *count));
        let written =
            Written { crashes: crashes.collect(), not_kept: not_kept.collect(), last: self.last.clone() };
        let what = || "cannot write the counts of crashes";
        let bytes = serde_json::to_vec(&written).map_err(std::io::Error::other).tried(what)?;
        host::write_atomically(&path(admin), &bytes, 0o600)
    }

    fn add(&mut self, entry: &Entry) {
        if let Some(dump) = &entry.dump {
            let label = |text: &Option<String>| text.clone().unwrap_or_default();
            let other = || (OTHER.to_owned(), OTHER.to_owned());
            add(&mut self.crashes, (label(&dump.container), label(&dump.program)), 1, other);
        }
        if let Some((container, count)) = &entry.not_kept {
            add(&mut self.not_kept, container.clone(), *count, || OTHER.to_owned());
        }
    }
}

fn add<K: Ord>(series: &mut BTreeMap<K, u64>, key: K, count: u64, other: impl Fn() -> K) {
    let has_room = series.len() < MAX_SERIES || series.contains_key(&key);
    let total = series.entry(if has_room { key } else { other() }).or_default();
    *total = total.saturating_add(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::entry::Dump;

    fn crash(container: &str) -> Entry {
        Entry::of(Dump { container: Some(container.to_owned()), ..Dump::default() })
    }

    fn admin(dir: &std::path::Path) -> Admin {
        let mut admin = Admin { known_dirs: dir.join("image-dirs"), ..Admin::default() };
        admin.notify.metrics = Some(dir.join("x.prom"));
        admin
    }

    #[test]
    fn an_entry_is_counted_once_and_series_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let admin = admin(dir.path());
        for number in 0..MAX_SERIES + 50 {
            for _again in 0..2 {
                count(&admin, &format!("entry-{number}"), &crash(&format!("c{number}"))).unwrap();
            }
        }
        let counts = Counts::load(&admin);
        assert_eq!(counts.crashes.len(), MAX_SERIES + 1);
        assert_eq!(counts.crashes[&(OTHER.to_owned(), OTHER.to_owned())], 50);
        assert_eq!(counts.crashes.values().sum::<u64>(), 250);
        count(&admin, "n", &Entry::count("c0", 7)).unwrap();
        count(&admin, "m", &Entry::count("c0", u64::MAX)).unwrap();
        assert_eq!(Counts::load(&admin).not_kept["c0"], u64::MAX);
    }

    #[test]
    fn damaged_counts_start_again() {
        let dir = tempfile::tempdir().unwrap();
        let admin = admin(dir.path());
        for damage in ["", "{", "[]", "{\"crashes\":[[\"a\",\"b\",-1]],\"not_kept\":[],\"last\":\"\"}"] {
            count(&admin, "one", &crash("c")).unwrap();
            std::fs::write(path(&admin), damage).unwrap();
            count(&admin, "two", &crash("d")).unwrap();
            let counts = Counts::load(&admin);
            assert_eq!(counts.crashes.len(), 1, "{damage}");
            std::fs::remove_file(path(&admin)).unwrap();
        }
    }
}
