//! The record of what was prepared for a container: poststop may come without its bundle, or never.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::IfMounted;
use crate::harvest::name::fnv1a;
use crate::host;
use crate::proc;
use crate::settings::Plan;

/// What was prepared for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The container's id.
    pub id: String,
    /// Its bundle, which together with the id tells containers of several runtimes apart.
    pub bundle: PathBuf,
    /// The state of the app (annotation `fireboltState`), for the names of its dumps.
    pub app_state: Option<String>,
    /// The container's init, and when it started, in clock ticks since boot (proc_pid_stat(5)): together they name a
    /// process that a later one with the same number cannot be taken for.
    pub init: (i32, u64),
    /// When the record was made, in seconds since 1970.
    pub prepared: u64,
    /// What was prepared.
    pub paths: Vec<Plan>,
    /// What could not be prepared: images of earlier runs may still hold dumps.
    #[serde(default)]
    pub left: Vec<Plan>,
}

impl Record {
    /// Writes the record.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&self, state_dir: &Path) -> Result<()> {
        host::make_dir(state_dir, 0o700)?;
        let path = path(state_dir, &self.id, &self.bundle);
        let text = serde_json::to_vec(self).map_err(std::io::Error::other);
        let text = text.tried(|| format!("cannot write {}", path.display()))?;
        let temporary = temporary(&path);
        // It lives on a file system that a reboot empties, so there is nothing to sync.
        let result = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, &path));
        if result.is_err() {
            // The error that matters is the first one; the temporary file may not even exist.
            let _gone = std::fs::remove_file(&temporary);
        }
        result.tried(|| format!("cannot write {}", path.display()))
    }

    /// The record of a container, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it cannot be understood; else the kernel's.
    pub fn read(state_dir: &Path, id: &str, bundle: &Path) -> Result<Option<Self>> {
        read_at(&path(state_dir, id, bundle))
    }

    /// All records; each that cannot be understood is an error of its own.
    ///
    /// # Errors
    /// The kernel's, when the directory cannot be listed.
    pub fn all(state_dir: &Path) -> Result<Vec<Result<Self>>> {
        let entries = match std::fs::read_dir(state_dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.tried(|| format!("cannot list {}", state_dir.display()))?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        Ok(records.filter_map(|path| read_at(&path).transpose()).collect())
    }

    /// Whether the container's init still lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let (pid, started) = self.init;
        start_time(pid) == Some(started)
    }

    /// Every plan, and what to do when its image is mounted: what was prepared is this container's, unless somebody
    /// calls us while it runs. What could not be prepared may be another's by now.
    #[must_use]
    pub fn plans(&self) -> Vec<(Plan, IfMounted)> {
        let ours = if self.is_alive() { IfMounted::Leave } else { IfMounted::Finish };
        let prepared = self.paths.iter().map(|plan| (plan.clone(), ours));
        prepared.chain(self.left.iter().map(|plan| (plan.clone(), IfMounted::Leave))).collect()
    }

    /// Removes the record.
    ///
    /// # Errors
    /// The kernel's; that there is none is none.
    pub fn remove(state_dir: &Path, id: &str, bundle: &Path) -> Result<()> {
        let path = path(state_dir, id, bundle);
        for path in [temporary(&path), path] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).tried(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Record {
    /// Removes the record; that it cannot be removed must keep nobody from anything: it only leads to images that are
    /// gone.
    pub fn discard(state_dir: &Path, id: &str, bundle: &Path) {
        if let Err(error) = Self::remove(state_dir, id, bundle) {
            log::warn!("{}", error.report());
        }
    }
}

/// The name that a record has while it is written. It is always the same, so that a hook that was killed meanwhile
/// leaves at most one, which the next start or poststop of the container takes away.
fn temporary(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

fn read_at(path: &Path) -> Result<Option<Record>> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.tried(|| format!("cannot read {}", path.display()))?,
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| {
        let what = format!("the record {} cannot be understood", path.display());
        Error::new(ErrorKind::Corrupt, what).caused_by(e).advise("remove it")
    })
}

/// When a process started, in clock ticks since boot; `None` when there is no such process, or when it is dead and only
/// waits for its parent.
#[must_use]
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = proc::stat::stat(pid).ok()??;
    (!stat.is_dead()).then_some(stat.start_time)
}

fn path(state_dir: &Path, id: &str, bundle: &Path) -> PathBuf {
    state_dir.join(format!("{id}.{:016x}.json", fnv1a(bundle.as_os_str().as_encoded_bytes())))
}
