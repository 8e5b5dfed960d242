//! Counts of crashes, which survive restarts: in a file beside the spool. Only the worker that has the lock of the spool
//! changes them.
//!
//! The file names the entry that was counted last, so that a worker that is killed just then counts nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::notify::entry::{Entry, now};
use crate::settings::admin::Admin;

/// The most series of each kind: names of containers are not bounded otherwise.
pub(super) const MAX_SERIES: usize = 200;
/// The most series of one container, whose programs have any names: the next are counted together.
pub(super) const MAX_SERIES_PER_CONTAINER: usize = 20;
/// What all others are counted as.
pub(super) const OTHER: &str = "other";
/// After how many seconds without a crash the series of a container make room for those of another.
const OLD: u64 = 30 * 86_400;
/// A clock before this, the beginning of 2020, has not been set.
const SET: u64 = 1_577_836_800;
/// The most bytes of the file.
const MAX_SIZE: u64 = 4 << 20;

/// All counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Crashes, by container and program.
    pub(super) crashes: BTreeMap<(String, String), u64>,
    /// Dumps that were not kept, by container.
    pub(super) not_kept: BTreeMap<String, u64>,
    /// When each container was counted last, in seconds since 1970.
    seen: BTreeMap<String, u64>,
    last: String,
}

/// Their form in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    crashes: Vec<(String, String, u64)>,
    not_kept: Vec<(String, u64)>,
    #[serde(default)]
    seen: Vec<(String, u64)>,
    last: String,
}

/// Counts what the entry `name` says, once. Gives all counts. Needs the lock of the counts.
///
/// # Errors
/// The kernel's; nothing is counted then.
pub(super) fn count(admin: &Admin, name: &str, entry: &Entry) -> Result<Counts> {
    let mut counts = Counts::load(admin);
    if counts.last != name {
        counts.add(entry, now());
        name.clone_into(&mut counts.last);
        counts.save(admin)?;
    }
    Ok(counts)
}

/// Counts what an entry says that is not in the spool. Gives all counts. Needs the lock of the counts.
///
/// # Errors
/// As [`count`].
pub(super) fn count_without_entry(admin: &Admin, entry: &Entry) -> Result<Counts> {
    let mut counts = Counts::load(admin);
    counts.add(entry, now());
    counts.save(admin)?;
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
        let Written { crashes, not_kept, seen, last } = match read {
            Ok(written) => written,
            Err(error) => {
                log::warn!("{}; the counts of crashes start again", error.report());
                return Self::default();
            }
        };
        let crashes = crashes.into_iter().map(|(container, program, count)| ((container, program), count));
        let (not_kept, seen) = (not_kept.into_iter().collect(), seen.into_iter().collect());
        Self { crashes: crashes.collect(), not_kept, seen, last }
    }

    fn save(&self, admin: &Admin) -> Result<()> {
        let crashes = self.crashes.iter();
        let crashes =
            crashes.map(|((container, program), count)| (container.clone(), program.clone(), *count));
        let not_kept = self.not_kept.iter().map(|(container, count)| (container.clone(), *count));
        let written = Written {
            crashes: crashes.collect(),
            not_kept: not_kept.collect(),
            seen: self.seen.clone().into_iter().collect(),
            last: self.last.clone(),
        };
        let what = || "cannot write the counts of crashes";
        let bytes = serde_json::to_vec(&written).map_err(std::io::Error::other).tried(what)?;
        host::write::write_atomically(&path(admin), &bytes, 0o600)
    }

    fn add(&mut self, entry: &Entry, now: u64) {
        if let Some(dump) = &entry.dump {
            let label = |text: &Option<String>| text.clone().unwrap_or_default();
            let key = self.place(label(&dump.container), label(&dump.program), now);
            add(&mut self.crashes, key, 1);
        }
        if let Some((container, count)) = &entry.not_kept {
            self.make_room(container, now);
            let is_known = self.not_kept.contains_key(container);
            let has_room = is_known || self.not_kept.len() < MAX_SERIES;
            add(&mut self.not_kept, if has_room { container.clone() } else { OTHER.to_owned() }, *count);
        }
    }

    /// The series of a program in a container: its own, that of the container's other ones, or that of all others.
    fn place(&mut self, container: String, program: String, now: u64) -> (String, String) {
        self.make_room(&container, now);
        let of_container = self.crashes.keys().filter(|(other, _)| *other == container).count();
        let own = (container, program);
        let place = if self.crashes.contains_key(&own) || of_container < MAX_SERIES_PER_CONTAINER - 1 {
            own
        } else {
            (own.0, OTHER.to_owned())
        };
        let has_room = self.crashes.len() < MAX_SERIES || self.crashes.contains_key(&place);
        if has_room { place } else { (OTHER.to_owned(), OTHER.to_owned()) }
    }

    /// Notes that a container is counted. If there are too many series, those of containers that have not crashed for long go.
    fn make_room(&mut self, container: &str, now: u64) {
        if now >= SET {
            // What was counted before the clock was set was not counted in 1970.
            for seen in self.seen.values_mut().filter(|seen| **seen < SET) {
                *seen = now;
            }
        }
        // Those that an earlier version has counted begin now.
        let known = self.crashes.keys().map(|(container, _)| container).chain(self.not_kept.keys());
        for container in known {
            if !self.seen.contains_key(container) {
                self.seen.insert(container.clone(), now);
            }
        }
        self.seen.insert(container.to_owned(), now);
        if self.crashes.len() < MAX_SERIES && self.not_kept.len() < MAX_SERIES {
            return;
        }
        let seen = &self.seen;
        let is_old = |container: &String| {
            container != OTHER && seen.get(container).is_some_and(|seen| now.saturating_sub(*seen) > OLD)
        };
        self.crashes.retain(|(container, _), _| !is_old(container));
        self.not_kept.retain(|container, _| !is_old(container));
        self.forget();
    }

    /// Forgets when containers were counted that have no series.
    fn forget(&mut self) {
        let Self { crashes, not_kept, seen, .. } = self;
        let counted: BTreeSet<&String> =
            crashes.keys().map(|(container, _)| container).chain(not_kept.keys()).collect();
        seen.retain(|container, _| counted.contains(container));
    }
}

fn add<K: Ord>(series: &mut BTreeMap<K, u64>, key: K, count: u64) {
    let total = series.entry(key).or_default();
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
    fn a_container_takes_its_share_of_the_series_and_no_more() {
        let mut counts = Counts::default();
        let crash = |container: &str, program: usize| {
            let (container, program) = (Some(container.to_owned()), Some(format!("p{program}")));
            Entry::of(Dump { container, program, ..Dump::default() })
        };
        for program in 0..10_000 {
            counts.add(&crash("hostile", program), SET);
        }
        assert_eq!(counts.crashes.len(), MAX_SERIES_PER_CONTAINER);
        assert_eq!(counts.crashes[&("hostile".to_owned(), OTHER.to_owned())], 10_000 - 19);
        counts.add(&crash("honest", 0), SET);
        assert_eq!(counts.crashes[&("honest".to_owned(), "p0".to_owned())], 1);
    }

    #[test]
    fn containers_that_do_not_crash_any_more_make_room_and_no_clock_takes_those_that_do() {
        let mut counts = Counts::default();
        // A box that begins in 1970, and is set then.
        for number in 0..MAX_SERIES {
            counts.add(&crash(&format!("c{number}")), 100);
        }
        counts.add(&crash("c0"), SET);
        assert_eq!(counts.crashes.len(), MAX_SERIES);
        counts.add(&crash("c0"), SET + OLD / 2);
        counts.add(&crash("early"), SET + OLD);
        let others = (OTHER.to_owned(), OTHER.to_owned());
        assert_eq!(counts.crashes[&others], 1, "the room is not there yet");
        counts.add(&crash("late"), SET + OLD + 1);
        let names: Vec<&str> = counts.crashes.keys().map(|(container, _)| container.as_str()).collect();
        assert_eq!(names, ["c0", "late", OTHER]);
        assert_eq!(counts.crashes[&("c0".to_owned(), String::new())], 3);
        assert!(counts.seen.len() <= 3, "{:?}", counts.seen);
    }

    #[test]
    fn counts_of_an_earlier_version_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let admin = admin(dir.path());
        std::fs::write(path(&admin), "{\"crashes\":[[\"c\",\"p\",7]],\"not_kept\":[],\"last\":\"\"}")
            .unwrap();
        let counts = count(&admin, "one", &crash("d")).unwrap();
        assert_eq!(counts.crashes.values().sum::<u64>(), 8);
        assert!(counts.seen.contains_key("c"));
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
