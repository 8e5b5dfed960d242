//! What lies in a destination and was harvested by us.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Result, Tried};
use crate::harvest::marks;
use crate::harvest::taken::Harvested;
use crate::image::read::files::Time;

/// A dump in a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dump {
    pub age: Age,
    pub path: PathBuf,
    pub container: Vec<u8>,
    /// Its place among the dumps of its container; 0 when it has none.
    pub number: u64,
    /// Its length, and how much of the disk it takes, in bytes.
    pub size: u64,
    pub allocated: u64,
}

/// What decides which of two dumps goes first: the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    /// What was harvested just now goes last, whatever the clocks say: at a boot, before the network has the time, the
    /// host's clock may be years behind.
    pub is_fresh: bool,
    /// A time in the future cannot be true: a container can set any.
    pub is_credible: bool,
    /// When the dump was written; if that is not known, when it was harvested.
    pub time: Time,
}

/// What carries our mark.
#[derive(Debug, Default)]
pub(super) struct Ours {
    pub dumps: Vec<Dump>,
    pub metas: Vec<PathBuf>,
}

/// Finds in `dir` what we have harvested.
pub(super) fn ours(dir: &Path, fresh: &[Harvested]) -> Result<Ours> {
    let what = || format!("cannot list {}", dir.display());
    let fresh: HashSet<&Path> = fresh.iter().map(|dump| dump.path.as_path()).collect();
    let now = now();
    let mut ours = Ours::default();
    for entry in std::fs::read_dir(dir).tried(what)? {
        let path = entry.tried(what)?.path();
        let ending = path.extension().unwrap_or_default().to_owned();
        if ending != "dmp" && ending != "meta" {
            continue;
        }
        let Some(container) = marks::container(&path) else { continue };
        if ending == "meta" {
            ours.metas.push(path);
            continue;
        }
        // The uploader may have taken it meanwhile.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_file() {
            let time = marks::time(&path).unwrap_or(Time {
                seconds: metadata.mtime(),
                nanoseconds: metadata.mtime_nsec().try_into().unwrap_or_default(),
            });
            let age = Age { is_fresh: fresh.contains(path.as_path()), is_credible: time <= now, time };
            let (size, allocated) = (metadata.len(), metadata.blocks().saturating_mul(512));
            ours.dumps.push(Dump { age, container, number: marks::number(&path), path, size, allocated });
        }
    }
    Ok(ours)
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: since.as_secs().try_into().unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
}
