//! `sweep`: harvests what poststop missed. Run at boot, by the daemon at its start, or by hand.
//!
//! Poststop never comes when a runtime is killed, when a start fails behind our hook, or when the power goes. What was
//! prepared is then known from the records, or, after a reboot, from the images themselves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::{Fate, Harvest, IfMounted, Job, Owner, harvest_locked};
use crate::hook::poststop;
use crate::hook::record::Record;
use crate::image::identity::Identity;
use crate::image::known;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::repair::is_set_aside;
use crate::image::superblock::{Condition, inspect};
use crate::settings::admin::Admin;

/// An image that somebody works on is left to him.
const PATIENCE: Duration = Duration::from_millis(200);

/// What a sweep did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sweep {
    /// The images that were harvested.
    pub harvested: Vec<Swept>,
    /// Images of containers that run, which were left alone.
    pub in_use: Vec<PathBuf>,
    /// What went wrong; the images in question are kept.
    pub failures: Vec<String>,
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

/// Harvests every image of ours whose container is gone.
///
/// # Errors
/// Only when it is not known where to look. What fails on the way is collected, and the sweep goes on.
pub fn sweep(admin: &Admin) -> Result<Sweep> {
    let mut sweep = Sweep::default();
    for record in Record::all(&admin.state_dir)? {
        match record {
            Ok(record) if record.is_alive() => {
                sweep.in_use.extend(record.paths.into_iter().map(|plan| plan.image))
            }
            Ok(record) => settle(&record, admin, &mut sweep),
            Err(error) => sweep.fail(&error),
        }
    }
    let mut dirs = known::read(&admin.known_dirs)?;
    dirs.push(admin.image_dir.clone());
    dirs.sort();
    dirs.dedup();
    for dir in dirs {
        if dir.exists()
            && let Err(error) = LoopDevice::detach_stale(&dir)
        {
            sweep.fail(&error);
        }
        for image in images_in(&dir, &mut sweep) {
            if !sweep.in_use.contains(&image) {
                orphan(&image, admin, &mut sweep);
            }
        }
    }
    Ok(sweep)
}

impl Sweep {
    fn fail(&mut self, error: &Error) {
        log::error!("{}", error.report());
        self.failures.push(error.report());
    }

    fn add(&mut self, image: &Path, container: Option<&str>, harvest: Harvest) {
        if harvest.image != Fate::Absent {
            log::info!("swept {}: {} minidumps", image.display(), harvest.dumps.len());
            let container = container.map(str::to_owned);
            self.harvested.push(Swept { path: image.to_owned(), container, harvest });
        }
    }
}

/// Does for a container that is gone what its poststop should have done.
fn settle(record: &Record, admin: &Admin, sweep: &mut Sweep) {
    let owner = Owner { container: Some(&record.id), app_state: record.app_state.as_deref() };
    let mut settled = true;
    for (plan, if_mounted) in record.plans() {
        let job = Job { destination: &plan.host_destination, owner, admin, if_mounted };
        match poststop::one(&plan, job) {
            Ok(harvest) => sweep.add(&plan.image, Some(&record.id), harvest),
            Err(error) if if_mounted == IfMounted::Leave && error.kind() == ErrorKind::Busy => {
                sweep.in_use.push(plan.image);
            }
            Err(error) => {
                sweep.fail(&error.within(format!("container {}", record.id)));
                settled = false;
            }
        }
    }
    // The container may have been started anew meanwhile, with a record of its own.
    let now = Record::read(&admin.state_dir, &record.id, &record.bundle);
    let is_same = now.is_ok_and(|now| now.as_ref() == Some(record));
    if settled
        && is_same
        && let Err(error) = Record::remove(&admin.state_dir, &record.id, &record.bundle)
    {
        sweep.fail(&error);
    }
}

/// The files in `dir` that may be images.
fn images_in(dir: &Path, sweep: &mut Sweep) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        other => other.tried(|| format!("cannot list {}", dir.display())),
    };
    match entries {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.retain(|path| {
                !is_set_aside(path) && std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file())
            });
            paths.sort();
            paths
        }
        Err(error) => {
            sweep.fail(&error);
            Vec::new()
        }
    }
}

/// Harvests an image that no record knows.
fn orphan(image: &Path, admin: &Admin, sweep: &mut Sweep) {
    match try_orphan(image, admin) {
        Ok(Some((container, harvest))) => sweep.add(image, container.as_deref(), harvest),
        Ok(None) => {}
        Err(error) if error.kind() == ErrorKind::Busy => sweep.in_use.push(image.to_owned()),
        Err(error) => sweep.fail(&error),
    }
}

fn try_orphan(image: &Path, admin: &Admin) -> Result<Option<(Option<String>, Harvest)>> {
    let Some(locked) = LockedImage::open(image, PATIENCE)? else { return Ok(None) };
    let condition = inspect(locked.file()).tried(|| format!("cannot read {}", image.display()))?;
    if !matches!(condition, Condition::Ext4 { ours: true, .. }) {
        return Ok(None);
    }
    if let Some(device) = LoopDevice::of(locked.file())? {
        // Killed in the middle of attaching on an old kernel, we leave a device that does not detach by itself. One
        // that is mounted somewhere detaches only when that ends.
        device.detach()?;
    }
    let identity = Identity::read(locked.file());
    let destination = identity.destination.as_deref().unwrap_or(&admin.host_destination);
    let owner = Owner { container: identity.container.as_deref(), app_state: None };
    let harvest = harvest_locked(&locked, Job { destination, owner, admin, if_mounted: IfMounted::Leave })?;
    Ok(Some((identity.container.clone(), harvest)))
}
