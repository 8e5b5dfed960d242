//! poststop: the dumps are taken out of the images of a container that is gone.

use std::fs::File;
use std::path::Path;

use rustix::mount::{UnmountFlags, unmount};

use crate::error::{Error, ErrorKind, Result};
use crate::harvest::{Fate, Harvest, IfMounted, Job, Owner, harvest};
use crate::hook::record::Record;
use crate::hook::{Options, plans};
use crate::image::loopback::LoopDevice;
use crate::oci::bundle::Bundle;
use crate::oci::state::State;
use crate::proc::mountinfo;
use crate::settings::Plan;
use crate::settings::admin::Admin;

/// Harvests every image of the container. What was really prepared is known from the record; without one (a reboot,
/// another tool), the configuration tells.
///
/// # Errors
/// None of a wrong configuration, by which nothing was prepared; whoever chose the annotations would else decide that the
/// container cannot be deleted (youki). A harvest that fails is logged; the image stays, and the next start or `sweep`
/// tries again.
pub fn poststop(options: &Options, state: &State, dir: &Path, admin: &Admin) -> Result<()> {
    let gone = what(options, state, dir, admin)?;
    let owner = Owner { container: Some(&state.id), app_state: gone.app_state.as_deref() };
    let mut failures = 0_u32;
    for (plan, if_mounted) in &gone.paths {
        let if_mounted = *if_mounted;
        let job = Job { destination: &plan.host_destination, owner, admin, if_mounted };
        match one(plan, job) {
            Ok(_) => {}
            // runc runs poststop for a container that was refused because another one has the image.
            Err(error) if if_mounted == IfMounted::Leave && error.kind() == ErrorKind::Busy => {
                log::info!("container {}: nothing to harvest: {}", state.id, error.report());
            }
            Err(error) => {
                log::error!(
                    "container {}: {}; the image is kept for the next harvest",
                    state.id,
                    error.report()
                );
                failures += 1;
            }
        }
    }
    if failures == 0 {
        Record::discard(&admin.state_dir, &state.id, dir);
    }
    Ok(())
}

/// What a container has left.
struct Gone {
    paths: Vec<(Plan, IfMounted)>,
    app_state: Option<String>,
}

/// What to harvest for the container.
fn what(options: &Options, state: &State, dir: &Path, admin: &Admin) -> Result<Gone> {
    match Record::read(&admin.state_dir, &state.id, dir) {
        Ok(Some(record)) => return Ok(Gone { paths: record.plans(), app_state: record.app_state }),
        Ok(None) => {}
        Err(error) => log::warn!("container {}: {}", state.id, error.report()),
    }
    // The bundle may be gone by now; annotations and the hook's own file do without it.
    let bundle = Bundle::load(dir);
    let plans = plans(options, state, bundle.as_ref().ok(), admin).unwrap_or_else(|error| {
        log::warn!("container {}: nothing to harvest: {}", state.id, error.report());
        None
    });
    if let (None, Err(error)) = (&plans, bundle) {
        // Nothing was prepared here, or it was before a reboot. Failing would keep youki from ever deleting it.
        log::warn!("container {}: nothing to harvest: {}", state.id, error.report());
    }
    // Without a record the image may be another container's.
    let paths =
        plans.into_iter().flat_map(|plans| plans.paths).map(|plan| (plan, IfMounted::Leave)).collect();
    Ok(Gone { paths, app_state: state.app_state().map(str::to_owned) })
}

/// Harvests the image of one plan of a container that is gone.
pub(super) fn one(plan: &Plan, job: Job<'_>) -> Result<Harvest> {
    if job.if_mounted == IfMounted::Finish {
        for error in unmount_on_host(plan) {
            log::warn!("{}", error.report());
        }
    }
    let harvest = harvest(&plan.image, job)?;
    // Was the prestart killed before the image had its name?
    if harvest.image == Fate::Absent
        && let Some(dir) = plan.image.parent().filter(|dir| dir.exists())
        && let Err(error) = LoopDevice::detach_stale(dir)
    {
        log::warn!("{}", error.report());
    }
    Ok(harvest)
}

/// Unmounts the image where a container without a mount namespace of its own has left it on the host.
fn unmount_on_host(plan: &Plan) -> Vec<Error> {
    use crate::error::Tried;

    let mut errors = Vec::new();
    let Ok(image) = File::open(&plan.image) else { return errors };
    let Ok(Some(device)) = LoopDevice::of(&image) else { return errors };
    let Ok(number) = device.number() else { return errors };
    let wanted = (rustix::fs::major(number), rustix::fs::minor(number));
    let mounts = match mountinfo::own() {
        Ok(mounts) => mounts,
        Err(error) => return vec![error],
    };
    for path in mounts.into_iter().filter(|mount| mount.device == wanted).map(|mount| mount.point) {
        if path.ends_with(plan.container_source.strip_prefix("/").unwrap_or(&plan.container_source)) {
            let result = unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
            errors.extend(result.tried(|| format!("cannot unmount {}", path.display())).err());
        }
    }
    errors
}
