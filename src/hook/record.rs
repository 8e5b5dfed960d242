//! The record of what was prepared for one run of a container: poststop may come late, without its bundle, or never.
//!
//! Every run has a file of its own, so that a late poststop of one run never reads or removes what belongs to the next.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::name::fnv1a;
use crate::host;
use crate::image::identity::Identity;
use crate::image::token::Token;
use crate::oci::subject::Subject;
use crate::proc;
use crate::proc::cgroup::{self, Cgroup};
use crate::settings::Plan;

/// What was prepared for one run of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// Its bundle, which together with the id tells containers of several runtimes apart.
    pub bundle: PathBuf,
    /// The state of the app (annotation `fireboltState`), for the names of its dumps.
    pub app_state: Option<String>,
    /// The container's init, and when it started, in clock ticks since boot (proc_pid_stat(5)): together they name a
    /// process that a later one with the same number is not mistaken for.
    pub init: (i32, u64),
    /// The inode number of the pid namespace in which that number is valid. Version 0.1 did not write it.
    #[serde(default)]
    pub pid_namespace: Option<u64>,
    /// Whether a crash of its programs becomes a minidump through the kernel's `core_pattern`.
    #[serde(default)]
    pub core: bool,
    /// The control groups that are the container's own; empty when it has none.
    #[serde(default)]
    pub cgroups: Vec<Cgroup>,
    /// The inode number of its mount namespace; `None` when that is the host's.
    #[serde(default)]
    pub mount_namespace: Option<u64>,
    /// What the engine says of the container, when crash records are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// When the record was made, in seconds since 1970.
    pub prepared: u64,
    /// What was prepared.
    pub paths: Vec<Prepared>,
    /// What could not be prepared: images of earlier runs may still hold dumps.
    #[serde(default)]
    pub left: Vec<Plan>,
    /// The file that the record was read from or written to.
    #[serde(skip)]
    file: PathBuf,
}

/// A directory that was prepared, and the image behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// What the configuration asked for.
    #[serde(flatten)]
    pub plan: Plan,
    /// The image. Version 0.1 did not write it.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// Where the image lies in memory, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<PathBuf>,
    /// Where the file system of the destination was mounted, unless that is `/` or not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<PathBuf>,
}

impl Prepared {
    /// Where the image lies while the container runs.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.memory.as_deref().unwrap_or(&self.plan.image)
    }
}

/// Whether a container runs, as far as its init tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Liveness {
    /// Its init has ended.
    Ended,
    /// It cannot be known: `/proc` is not mounted, or is that of another pid namespace.
    Unknown,
    /// Its init runs.
    Running,
}

impl Record {
    /// A record of now, of a container whose init is the process `pid` and started at that time, in clock ticks since boot; 0
    /// when that is not known.
    #[must_use]
    pub fn new(id: &str, bundle: &Path, app_state: Option<&str>, (pid, started): (i32, u64)) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            id: id.to_owned(),
            bundle: normalised(bundle),
            app_state: app_state.map(str::to_owned),
            init: (pid, started),
            pid_namespace: pid_namespace(),
            core: false,
            subject: None,
            cgroups: cgroup::own_of(pid),
            mount_namespace: mount_namespace(pid),
            prepared: now.map_or(0, |since| since.as_secs()),
            paths: Vec::new(),
            left: Vec::new(),
            file: PathBuf::new(),
        }
    }

    /// Writes the record as one of a new run.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&mut self, state_dir: &Path) -> Result<()> {
        host::make_dir(state_dir, 0o700)?;
        self.file = state_dir.join(format!("{}.{}.json", stem(&self.id, &self.bundle), Token::random()?));
        let what = || format!("cannot write {}", self.file.display());
        let text = serde_json::to_vec(self).map_err(std::io::Error::other).tried(what)?;
        let temporary = temporary(state_dir, &self.id, &self.bundle);
        // It lives on a file system that a reboot empties, so there is nothing to sync.
        let write =
            || std::fs::write(&temporary, &text).and_then(|()| std::fs::rename(&temporary, &self.file));
        // A late poststop of an earlier run takes it for its own.
        let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        let result = write().or_else(|error| if is_gone(&error) { write() } else { Err(error) });
        if result.is_err() {
            // The error that matters is the first one; the temporary file may not even exist.
            let _gone = std::fs::remove_file(&temporary);
        }
        result.tried(what)
    }

    /// All records; each that cannot be understood is an error of its own.
    ///
    /// # Errors
    /// The kernel's, when the directory cannot be listed.
    pub fn all(state_dir: &Path) -> Result<Vec<Result<Self>>> {
        files(state_dir, "").map(|files| files.iter().filter_map(|file| read(file).transpose()).collect())
    }

    /// The records of all runs of a container; each that cannot be understood is an error of its own.
    ///
    /// # Errors
    /// The kernel's, when the directory cannot be listed.
    pub fn of(state_dir: &Path, id: &str, bundle: &Path) -> Result<Vec<Result<Self>>> {
        Self::of_others(state_dir, id, bundle, None)
    }

    /// The same without that of `this` run.
    ///
    /// # Errors
    /// Those of [`Self::of`].
    pub fn of_others(
        state_dir: &Path,
        id: &str,
        bundle: &Path,
        this: Option<&Self>,
    ) -> Result<Vec<Result<Self>>> {
        let bundle = normalised(bundle);
        let mut files = files(state_dir, &format!("{id}."))?;
        files.retain(|file| this.is_none_or(|this| this.file != *file));
        let records = files.iter().filter_map(|file| read(file).transpose());
        let is_of = |record: &Result<Self>| {
            record.as_ref().map_or(true, |record| record.id == id && normalised(&record.bundle) == bundle)
        };
        Ok(records.filter(is_of).collect())
    }

    /// The records of the runs that have or had an image, the latest first. More than one has, when dumps could not be
    /// harvested and the next run got the image again.
    ///
    /// # Errors
    /// The kernel's, and [`ErrorKind::System`] when one cannot be understood: it may be one of them. That says nothing of the
    /// image.
    pub fn of_image(state_dir: &Path, identity: &Identity) -> Result<Vec<Self>> {
        let unknown =
            |error| Error::new(ErrorKind::System, "it is not known whose image it is").caused_by(error);
        let records = Self::all(state_dir)?.into_iter().collect::<Result<Vec<Self>>>();
        let mut records = records.map_err(unknown)?;
        let is_same = |prepared: &Prepared| prepared.identity.is_some_and(|other| other.is_same(identity));
        records.retain(|record| record.paths.iter().any(is_same));
        records.sort_by_key(|record| std::cmp::Reverse(record.prepared));
        Ok(records)
    }

    /// Whether the container runs.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        let (pid, started) = self.init;
        let is_other_namespace = self.pid_namespace.is_some_and(|recorded| pid_namespace() != Some(recorded));
        if started == 0 || is_other_namespace {
            return Liveness::Unknown;
        }
        match proc::stat::stat(pid) {
            Ok(Some(stat)) if stat.start_time == started && !stat.is_dead() => Liveness::Running,
            Ok(_) => Liveness::Ended,
            Err(_) => Liveness::Unknown,
        }
    }

    /// Removes the record.
    ///
    /// # Errors
    /// The kernel's; that there is none any more is not one.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).tried(|| format!("cannot remove {}", self.file.display()))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a hook left that was killed while it wrote a record of this container.
    pub fn remove_unfinished(state_dir: &Path, id: &str, bundle: &Path) {
        let temporary = temporary(state_dir, id, &normalised(bundle));
        if let Err(error) = std::fs::remove_file(&temporary)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", temporary.display());
        }
    }
}

/// The bundle's path in the one form that records have, however the runtime writes it.
fn normalised(bundle: &Path) -> PathBuf {
    std::path::absolute(bundle).unwrap_or_else(|_| bundle.to_owned()).components().collect()
}

fn stem(id: &str, bundle: &Path) -> String {
    format!("{id}.{:016x}", fnv1a(bundle.as_os_str().as_encoded_bytes()))
}

/// The name that a record has while it is written. It is the same for every run, so that a hook that was killed meanwhile
/// leaves at most one.
fn temporary(state_dir: &Path, id: &str, bundle: &Path) -> PathBuf {
    state_dir.join(stem(id, bundle) + ".tmp")
}

/// The files of the records whose names begin like that.
fn files(state_dir: &Path, start: &str) -> Result<Vec<PathBuf>> {
    let what = || format!("cannot list {}", state_dir.display());
    let entries = match std::fs::read_dir(state_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.tried(what)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry.tried(what)?.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(start) && name.ends_with(".json")) {
            files.push(state_dir.join(name));
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Option<Record>> {
    let text = match std::fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.tried(|| format!("cannot read {}", file.display()))?,
    };
    match serde_json::from_slice::<Record>(&text) {
        Ok(record) => Ok(Some(Record { file: file.to_owned(), ..record })),
        Err(error) => {
            let what = format!("the record {} cannot be understood", file.display());
            Err(Error::new(ErrorKind::Corrupt, what).caused_by(error).advise("remove it"))
        }
    }
}

/// The inode number of our own pid namespace.
fn pid_namespace() -> Option<u64> {
    std::fs::metadata("/proc/self/ns/pid").ok().map(|metadata| metadata.ino())
}

/// The inode number of the mount namespace of `pid`, unless it is ours.
fn mount_namespace(pid: i32) -> Option<u64> {
    let of = |process: &str| std::fs::metadata(format!("/proc/{process}/ns/mnt")).ok().map(|file| file.ino());
    of(&pid.to_string()).filter(|inode| of("self").is_some_and(|ours| ours != *inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, bundle: &str) -> Record {
        let pid = std::process::id().cast_signed();
        let started = proc::stat::stat(pid).unwrap().unwrap().start_time;
        Record::new(id, Path::new(bundle), None, (pid, started))
    }

    #[test]
    fn runs_of_one_container_have_a_record_each_and_other_containers_others() {
        let dir = tempfile::tempdir().unwrap();
        let of = |id: &str, bundle: &str| Record::of(dir.path(), id, Path::new(bundle)).unwrap().len();
        record("a", "/b").write(dir.path()).unwrap();
        record("a", "/b/").write(dir.path()).unwrap();
        record("a", "/c").write(dir.path()).unwrap();
        record("a.b", "/b").write(dir.path()).unwrap();
        assert_eq!((of("a", "/b//"), of("a", "/c"), of("a.b", "/b"), of("b", "/b")), (2, 1, 1, 0));
        for record in Record::of(dir.path(), "a", Path::new("/b")).unwrap() {
            record.unwrap().remove().unwrap();
        }
        assert_eq!((of("a", "/b"), of("a", "/c"), of("a.b", "/b")), (0, 1, 1));
    }

    #[test]
    fn what_cannot_be_known_is_unknown() {
        let ours = record("a", "/b");
        assert_eq!(ours.liveness(), Liveness::Running);
        let cases = [
            (Record { pid_namespace: Some(1), ..ours.clone() }, Liveness::Unknown),
            (Record { pid_namespace: None, ..ours.clone() }, Liveness::Running),
            (Record { init: (ours.init.0, 0), ..ours.clone() }, Liveness::Unknown),
            (Record { init: (ours.init.0, ours.init.1 + 1), ..ours.clone() }, Liveness::Ended),
            (Record { init: (i32::MAX, 7), ..ours.clone() }, Liveness::Ended),
        ];
        for (record, expected) in cases {
            assert_eq!(record.liveness(), expected, "{record:?}");
        }
    }

    #[test]
    fn a_record_of_version_0_1_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"id":"a","bundle":"/b","app_state":null,"init":[1,2],"prepared":3,"paths":[{"image":"/i",
            "container_source":"/s","host_destination":"/h","imgsize":8388608,"origin":"x"}]}"#;
        std::fs::write(dir.path().join("a.0123456789abcdef.json"), text).unwrap();
        let record = Record::of(dir.path(), "a", Path::new("/b")).unwrap().remove(0).unwrap();
        assert_eq!((record.paths[0].plan.image.as_path(), record.paths[0].identity), (Path::new("/i"), None));
    }
}
