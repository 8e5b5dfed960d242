//! The directory in which entries wait, on a file system that survives a reboot. Their names are in the order in which they
//! were written.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::image::token::Token;
use crate::notify::entry::Entry;
use crate::settings::admin::Admin;

/// The most files in it.
const MAX_FILES: usize = 1000;
/// The most bytes of an entry.
const MAX_SIZE: u64 = 64 << 10;
/// The file by whose lock one worker is at work.
const LOCK: &str = "lock";
/// The file beside the spool by whose lock one process counts.
const COUNTS_LOCK: &str = "counts-lock";
const SUFFIX: &str = ".json";
/// After which time an entry that has not got its name is one of a hook that was killed.
const STALE: Duration = Duration::from_secs(3600);

/// The spool.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// The spool of these settings, which need not exist.
    #[must_use]
    pub fn of(admin: &Admin) -> Self {
        Self { dir: admin.known_dirs.with_file_name("spool") }
    }

    /// Where it lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many more dumps may wait.
    ///
    /// # Errors
    /// The kernel's.
    pub fn room(&self) -> Result<usize> {
        Ok(MAX_FILES.saturating_sub(self.files()?.len()))
    }

    /// The paths and inodes of the dumps that wait.
    ///
    /// # Errors
    /// The kernel's.
    pub fn dumps(&self) -> Result<HashSet<(PathBuf, u64)>> {
        let entries = self.names()?.into_iter().filter_map(|name| self.read(&name).ok()?.dump);
        Ok(entries.map(|dump| (dump.path, dump.inode)).collect())
    }

    /// Adds an entry, which is on the disk then.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] when there are too many; else the kernel's.
    pub fn add(&self, entry: &Entry) -> Result<()> {
        host::make_dir(&self.dir, 0o700)?;
        let files = self.files()?;
        if files.len() >= MAX_FILES {
            let what = format!("{MAX_FILES} dumps wait in {} for their hand-over", self.dir.display());
            return Err(Error::new(ErrorKind::NoSpace, what)
                .advise("see what keeps the program or the socket from taking them"));
        }
        let numbers = files.iter().filter_map(|name| name.split_once('-')?.0.parse::<u64>().ok());
        let number = numbers.max().unwrap_or(0).saturating_add(1);
        // Another hook may take the same number: neither is the first then.
        self.write(&format!("{number:016}-{}{SUFFIX}", Token::random()?), entry)
    }

    /// Writes the entry `name`, in place of what it was.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&self, name: &str, entry: &Entry) -> Result<()> {
        host::write::write_atomically(&self.dir.join(name), &entry.to_bytes()?, 0o600)
    }

    /// The entry `name`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it has gone, [`ErrorKind::Corrupt`] when it cannot be understood; else the kernel's.
    pub fn read(&self, name: &str) -> Result<Entry> {
        let path = self.dir.join(name);
        if !path.exists() {
            return Err(Error::new(ErrorKind::NotFound, format!("{} has gone", path.display())));
        }
        let bytes = host::read_bounded(&path, MAX_SIZE)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("{} is damaged", path.display())).caused_by(error)
        })
    }

    /// Removes the entry `name`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.tried(|| format!("cannot remove {}", path.display())),
        }
    }

    /// The names of the entries, the oldest first; none where the spool does not exist.
    ///
    /// # Errors
    /// The kernel's.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = self.files()?;
        names.retain(|name| name.ends_with(SUFFIX) && !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Takes the lock of the counts, which no process has for long. It goes with the descriptor.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lock_counts(&self) -> Result<File> {
        let path = self.dir.with_file_name(COUNTS_LOCK);
        let what = || format!("cannot lock {}", path.display());
        let file = File::options().create(true).append(true).open(&path).tried(what)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive)).tried(what)?;
        Ok(file)
    }

    /// Takes the lock of the worker; `None` when another one is at work. It goes with the descriptor.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lock(&self) -> Result<Option<File>> {
        let path = self.dir.join(LOCK);
        let what = || format!("cannot lock {}", path.display());
        let file = File::options().create(true).append(true).open(&path).tried(what)?;
        Ok(host::try_lock(&file).tried(what)?.then_some(file))
    }

    /// Removes what hooks have left that were killed as they wrote. Needs the lock.
    pub fn clean(&self) {
        for name in self.files().unwrap_or_default() {
            let path = self.dir.join(&name);
            let written = std::fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
            let is_stale = written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE));
            if name.starts_with('.') && is_stale {
                // The next worker tries again.
                let _stays = std::fs::remove_file(path);
            }
        }
    }

    fn files(&self) -> Result<Vec<String>> {
        let what = || format!("cannot list {}", self.dir.display());
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.tried(what)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.tried(what)?.file_name().into_string().ok().filter(|name| name != LOCK));
        }
        Ok(names)
    }
}
