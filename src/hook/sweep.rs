//! `sweep`: harvests what poststop missed. Run at boot, by the daemon at its start, or by hand.
//!
//! Poststop never comes when a runtime is killed, when a start fails behind our hook, or when the power goes. What was
//! prepared is then known from the records, or, after a reboot, from the images themselves.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::deadline::Deadline;
use crate::error::{Error, Result, Tried};
use crate::harvest::Harvest;
use crate::hook::leftover::Terms;
use crate::hook::record::Record;
use crate::hook::settle::{Settled, settle};
use crate::image::aside;
use crate::image::known;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mark::Mark;
use crate::image::memory;
use crate::image::superblock::{Condition, inspect};
use crate::settings::admin::Admin;

/// An image that another process works on is left to it.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);
/// How long reading one image may take. What passes this was made to be slow.
const IMAGE_TIMEOUT: Duration = Duration::from_secs(120);

/// What a sweep did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sweep {
    /// The images that were harvested.
    pub harvested: Vec<Swept>,
    /// Images that are in use and were left alone.
    pub in_use: Vec<PathBuf>,
    /// What went wrong; the images in question are kept.
    pub failures: Vec<String>,
    /// Images that were found damaged, now or earlier, and that wait for a person.
    #[serde(default)]
    pub damaged: Vec<PathBuf>,
    /// The images with which something went wrong. They have their next try in another sweep: an error of writing is
    /// reported once, and a second flush of the same file would succeed.
    #[serde(skip)]
    failed: Vec<PathBuf>,
}

/// An image that was harvested.
#[derive(Debug, Serialize, Deserialize)]
pub struct Swept {
    /// Where the image lies, or lay.
    pub path: PathBuf,
    /// The container it belonged to, if that is known.
    pub container: Option<String>,
    /// What was in it, and what became of it.
    #[serde(flatten)]
    pub harvest: Harvest,
}

impl Swept {
    /// What became of the image at `path`, of this container.
    #[must_use]
    pub fn of(path: &Path, container: &str, harvest: Harvest) -> Self {
        Self { path: path.to_owned(), container: Some(container.to_owned()), harvest }
    }
}

/// Harvests every image of ours whose container has ended.
///
/// # Errors
/// Only when it is not known where to look. What fails on the way is collected, and the sweep goes on.
pub fn sweep(admin: &Admin) -> Result<Sweep> {
    let mut sweep = Sweep::default();
    if admin.may_be_in_memory()
        && let Err(error) = memory::tmpfs::make_ready(admin)
    {
        log::warn!("{}", error.report());
    }
    for record in Record::all(&admin.state_dir)? {
        match record {
            Ok(record) => sweep.add(Some(&record.id), settle(&record, &terms(admin))),
            Err(error) => sweep.fail(&error),
        }
    }
    let mut dirs = known::read(&admin.known_dirs)?;
    dirs.push(admin.image_dir.clone());
    dirs.sort();
    dirs.dedup();
    for dir in dirs.iter().flat_map(|dir| memory::places(admin, dir)) {
        if dir.exists()
            && let Err(error) = LoopDevice::detach_stale(&dir)
        {
            sweep.fail(&error);
        }
        for image in images_in(&dir, &mut sweep) {
            if !sweep.has_seen(&image) {
                let (owner, settled) = orphan(&image, admin);
                sweep.add(owner.as_deref(), settled);
            }
        }
    }
    Ok(sweep)
}

fn terms(admin: &Admin) -> Terms<'_> {
    let deadline = Deadline::after(IMAGE_TIMEOUT);
    Terms { admin, lock_timeout: LOCK_TIMEOUT, detach_timeout: Duration::ZERO, deadline }
}

impl Sweep {
    /// Notes a failure.
    pub fn fail(&mut self, error: &Error) {
        log::error!("{}", error.report());
        self.failures.push(error.report());
    }

    fn add(&mut self, container: Option<&str>, settled: Settled) {
        for (path, harvest) in settled.harvested {
            log::info!("swept {}: {} minidumps", path.display(), harvest.dumps.len());
            self.harvested.push(Swept { path, container: container.map(str::to_owned), harvest });
        }
        for path in settled.in_use {
            if !self.in_use.contains(&path) {
                self.in_use.push(path);
            }
        }
        self.failed.extend(settled.failed);
        for error in settled.failures {
            let error = match container {
                Some(id) => error.within(format!("container {id}")),
                None => error,
            };
            self.fail(&error);
        }
    }

    /// Whether an image was dealt with by its record.
    fn has_seen(&self, image: &PathBuf) -> bool {
        self.in_use.contains(image)
            || self.failed.contains(image)
            || self.harvested.iter().any(|swept| swept.path == *image)
    }
}

/// The files in `dir` that say that they are images of ours. Another program's files are never locked, nor opened for writing.
fn images_in(dir: &Path, sweep: &mut Sweep) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Vec::new();
        }
        other => other.tried(|| format!("cannot list {}", dir.display())),
    };
    let us = rustix::process::geteuid().as_raw();
    let may_be_image = |path: &PathBuf| {
        let metadata = std::fs::symlink_metadata(path);
        let is_trusted = |m: &std::fs::Metadata| m.is_file() && [0, us].contains(&m.uid());
        metadata.is_ok_and(|m| is_trusted(&m)) && (aside::is_damaged(path) || is_image_of_ours(path))
    };
    match entries {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.retain(may_be_image);
            paths.sort();
            let (damaged, images) = paths.into_iter().partition(|path| aside::is_damaged(path));
            sweep.damaged.extend::<Vec<_>>(damaged);
            images
        }
        Err(error) => {
            sweep.fail(&error);
            Vec::new()
        }
    }
}

/// Whether a file says that it is an image of ours, or cannot be read: then what follows says so.
fn is_image_of_ours(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => inspect(&file.into()).map_or(true, Condition::is_ours),
        Err(error) => error != Errno::NOENT,
    }
}

/// Harvests an image that no record has led to; and whose it was, if it says so.
fn orphan(path: &Path, admin: &Admin) -> (Option<String>, Settled) {
    let mut container = None;
    let is_ours = |image: &LockedImage| {
        container = Mark::read(image.file()).container;
        Ok(image.condition()?.is_ours())
    };
    let mut settled = Settled::default();
    settled.harvest(path, &Mark::default(), &terms(admin), is_ours);
    (container, settled)
}
