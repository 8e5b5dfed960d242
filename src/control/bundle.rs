//! The user's bundle: where it lies, whose it is, and its configuration. It is only ever read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, Tried};

/// The largest `config.json`, in bytes. Real ones have some 10 KB.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Write permission for everybody.
const WORLD_WRITABLE: u32 = 0o002;

/// A bundle that may be started.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Its directory, with every link resolved.
    pub(super) dir: PathBuf,
    /// The whole of its `config.json`.
    pub(super) config: Value,
}

impl Bundle {
    /// Reads the bundle at `path`, which must lie below one of `roots`, if there are any.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is no bundle or not allowed, [`ErrorKind::Attack`] when somebody but root
    /// could have changed it.
    pub(super) fn open(path: &Path, roots: &[PathBuf]) -> Result<Self> {
        if !path.is_absolute() {
            let what = format!("the bundle path {} is not absolute", path.display());
            return Err(Error::new(ErrorKind::Config, what));
        }
        let dir = path.canonicalize().tried(|| format!("cannot find the bundle {}", path.display()))?;
        if !roots.is_empty() && !roots.iter().any(|root| below(&dir, root)) {
            let what = format!("the bundle {} lies outside the allowed directories", dir.display());
            return Err(Error::new(ErrorKind::Config, what).advise("see the setting for bundle roots"));
        }
        let directory = dir.metadata().tried(|| format!("cannot look at {}", dir.display()))?;
        trusted(&dir, &directory)?;
        Ok(Self { config: read(&dir.join("config.json"))?, dir })
    }
}

fn below(dir: &Path, root: &Path) -> bool {
    root.canonicalize().is_ok_and(|root| dir.starts_with(root))
}

/// A bundle decides what runs with which privileges, so it must be root's, or ours.
fn trusted(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    let complaint = if metadata.uid() != 0 && metadata.uid() != us {
        format!("belongs to user {}", metadata.uid())
    } else if metadata.mode() & WORLD_WRITABLE != 0 {
        "can be written by everybody".to_owned()
    } else {
        return Ok(());
    };
    let error = Error::new(ErrorKind::Attack, format!("{} {complaint}", path.display()));
    Err(error.advise("a bundle must be root's and not writable for others"))
}

fn read(path: &Path) -> Result<Value> {
    let what = || format!("cannot read {}", path.display());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).tried(what)?);
    let metadata = file.metadata().tried(what)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        let error = Error::new(ErrorKind::Config, format!("{} is no file of up to 4 MiB", path.display()));
        return Err(error);
    }
    trusted(path, &metadata)?;
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text).tried(what)?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{} is not valid JSON", path.display())).caused_by(error)
    })
}

/// Reads a small file of our own as JSON.
///
/// # Errors
/// The kernel's; [`ErrorKind::Corrupt`].
pub(super) fn read_own<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let mut text = Vec::new();
    let file = File::open(path).tried(|| format!("cannot open {}", path.display()))?;
    file.take(2 * LARGEST).read_to_end(&mut text).tried(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::Corrupt, format!("{} is damaged", path.display())).caused_by(error)
    })
}
