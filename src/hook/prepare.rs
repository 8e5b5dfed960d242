//! prestart: an image is made and mounted, and put into the container as its minidump directory.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::{self, Fate, IfMounted, Job};
use crate::hook::attach::{Item, Source, attach, own};
use crate::hook::container::Container;
use crate::hook::record::{Record, start_time};
use crate::image::create::NewImage;
use crate::image::identity::Identity;
use crate::image::kernel::mount_in_private_namespace;
use crate::image::known;
use crate::image::label::MountLabel;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mount::{Access, Detached, Writable, is_too_old};
use crate::image::repair::set_aside;
use crate::image::superblock::{Condition, inspect};
use crate::oci::bundle::Bundle;
use crate::oci::state::State;
use crate::proc::selinux;
use crate::settings::admin::Admin;
use crate::settings::{Plan, Plans};
use crate::sys;

/// How long a device of the container's last run may take to go.
const DETACH_PATIENCE: Duration = Duration::from_secs(2);

/// What preparing is about.
struct Start<'a> {
    state: &'a State,
    bundle: &'a Bundle,
    rootfs: &'a Path,
    container: &'a Container,
    /// What the container's mounts are labelled with.
    label: Option<MountLabel>,
    admin: &'a Admin,
}

/// An image that is mounted and waits to be put into the container.
struct Ready<'a> {
    plan: &'a Plan,
    source: Source,
    device: LoopDevice,
    /// An image that was there before, locked until the container has the mount. One that was made just now is removed
    /// again when the container cannot have it.
    old: Option<LockedImage>,
}

/// Prepares every plan. When a plan fails that is not required, the container starts without it.
///
/// # Errors
/// What went wrong with a required plan. Nothing stays behind then.
pub fn prepare(state: &State, plans: &Plans, bundle: &Bundle, admin: &Admin) -> Result<()> {
    match try_prepare(state, plans, bundle, admin) {
        Err(error) if !plans.required => {
            warn(state, &error);
            Ok(())
        }
        other => other,
    }
}

fn warn(state: &State, error: &Error) {
    log::warn!("container {}: {}; it starts without this minidump directory", state.id, error.report());
}

fn try_prepare(state: &State, plans: &Plans, bundle: &Bundle, admin: &Admin) -> Result<()> {
    let pid = state.pid.ok_or_else(|| {
        Error::new(ErrorKind::Input, "the OCI state names no process, so there is no container to prepare")
            .advise("register the hook as prestart (or createRuntime) and as poststop")
    })?;
    let rootfs = bundle.rootfs()?;
    let container = Container::open(pid, &rootfs, bundle.user()?)?;
    let label = MountLabel::decide(bundle.mount_label()?.as_deref(), selinux::is_enabled)
        .map_err(|e| e.within(bundle.config_path().display()))?;
    let start = Start { state, bundle, rootfs: &rootfs, container: &container, label, admin };
    let (mut all, mut left) = (Vec::new(), Vec::new());
    for plan in &plans.paths {
        match ready(plan, &start) {
            Ok(ready) => all.push(ready),
            Err(error) if plans.required => {
                all.into_iter().for_each(undo);
                return Err(error);
            }
            Err(error) => {
                warn(state, &error);
                left.push(plan.clone());
            }
        }
    }
    // Before the mounts: if we are killed in between, somebody still finds the images.
    write_record(&start, pid, &all, left);
    place(&start, all, plans.required)
}

/// Puts what is ready into the container.
fn place(start: &Start<'_>, all: Vec<Ready<'_>>, required: bool) -> Result<()> {
    let items: Vec<Item<'_>> = all
        .iter()
        .map(|r| Item { source: &r.source, device: &r.device, target: &r.plan.container_source })
        .collect();
    let failures = attach(start.container, &items, required);
    drop(items);
    let failures = match failures {
        Ok(failures) => failures,
        Err(error) => {
            // An image of an earlier run stays, with its dumps: somebody must find it.
            let is_empty = all.iter().all(|ready| ready.old.is_none());
            all.into_iter().for_each(undo);
            if is_empty {
                Record::discard(&start.admin.state_dir, &start.state.id, start.bundle.dir());
            }
            return Err(error);
        }
    };
    for (ready, failure) in all.into_iter().zip(failures) {
        match failure {
            None => {
                log::info!("container {}: {} is ready", start.state.id, ready.plan.container_source.display())
            }
            Some(error) => {
                warn(start.state, &error);
                undo(ready);
            }
        }
    }
    Ok(())
}

/// Takes back what was made for a container that cannot have it.
fn undo(ready: Ready<'_>) {
    let Ready { plan, source, device, old } = ready;
    // The mount and the device go with their last descriptors.
    drop((source, device));
    if old.is_none()
        && let Err(error) = std::fs::remove_file(&plan.image)
    {
        log::warn!("cannot remove the image {}: {error}", plan.image.display());
    }
}

/// Makes or finds the image of a plan and mounts it, in no namespace yet.
fn ready<'a>(plan: &'a Plan, start: &Start<'_>) -> Result<Ready<'a>> {
    if plan.host_destination.starts_with(start.rootfs) {
        let what = format!(
            "hostDestination {} lies in the container's root file system",
            plan.host_destination.display()
        );
        return Err(Error::new(ErrorKind::Config, format!("{what} ({}.hostDestination)", plan.origin)));
    }
    match leftover(plan, start)? {
        Some(old) => {
            let device = LoopDevice::attach(old.file(), &plan.image, false)?;
            let source = mount(&device, writable(old.file(), plan, start)?, start.container)?;
            Ok(Ready { plan, source, device, old: Some(old) })
        }
        None => {
            let image = NewImage::make(plan)?;
            introduce(image.file(), plan, start);
            let device = LoopDevice::attach(image.file(), &plan.image, false)?;
            let source = mount(&device, writable(image.file(), plan, start)?, start.container)?;
            image.publish()?;
            Ok(Ready { plan, source, device, old: None })
        }
    }
}

/// Makes sure that `sweep` finds a new image and knows whose it is, also after a reboot. A container must not fail for
/// want of it.
fn introduce(image: &File, plan: &Plan, start: &Start<'_>) {
    let destination = Some(plan.host_destination.clone());
    Identity { container: Some(start.state.id.clone()), destination }.write(image);
    let dir = plan.image.parent().unwrap_or(Path::new("/"));
    if dir != start.admin.image_dir
        && let Err(error) = known::remember(&start.admin.known_dirs, dir)
    {
        log::warn!("container {}: {}", start.state.id, error.report());
    }
}

/// The image of an earlier run, if it must be used again: its dumps could not be harvested, so they stay in it.
fn leftover(plan: &Plan, start: &Start<'_>) -> Result<Option<LockedImage>> {
    let Some(image) = LockedImage::open(&plan.image, harvest::LOCK_PATIENCE)? else { return Ok(None) };
    if let Some(device) = LoopDevice::of_after(image.file(), DETACH_PATIENCE)? {
        return Err(harvest::in_use(&image, &device));
    }
    let condition = inspect(image.file()).tried(|| format!("cannot read {}", plan.image.display()))?;
    if matches!(condition, Condition::Unknown | Condition::Ext4 { ours: false, .. }) {
        let what = format!("{} was not made by this program, so it is left untouched", plan.image.display());
        return Err(Error::new(ErrorKind::Config, format!("{what} ({}.image)", plan.origin)).advise(format!(
            "take the dumps out with 'oci-minidump-hook harvest {} --to DIR' and remove it, or name another image",
            plan.image.display()
        )));
    }
    let owner = start.state.owner();
    let if_mounted = IfMounted::Leave;
    let job = Job { destination: &plan.host_destination, owner, admin: start.admin, if_mounted };
    match harvest::harvest_locked(&image, job) {
        Ok(harvest) if matches!(harvest.image, Fate::Removed | Fate::Aside) => Ok(None),
        Ok(_) => Ok(Some(image)),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let aside = set_aside(&image)?;
            log::warn!("container {}: {}; it is kept as {}", start.state.id, error.report(), aside.display());
            Ok(None)
        }
        Err(error) => {
            log::warn!(
                "container {}: {}; the dumps stay in the image, which is used again",
                start.state.id,
                error.report()
            );
            Ok(Some(image))
        }
    }
}

/// The mount options that fit the image and the container.
fn writable(image: &File, plan: &Plan, start: &Start<'_>) -> Result<Writable> {
    let condition = inspect(image).tried(|| format!("cannot read the image {}", plan.image.display()))?;
    MountLabel::note(start.label.as_ref(), image);
    Ok(Writable::new(matches!(condition, Condition::Ext4 { journal: true, .. }), start.label.clone()))
}

/// Mounts a device for the container and makes it writable for the container's user.
fn mount(device: &LoopDevice, writable: Writable, container: &Container) -> Result<Source> {
    let detached = match Detached::mount(device, Access::Container(&writable)) {
        Err(error) if is_too_old(&error) => {
            let kept = mount_in_private_namespace(device, Access::Container(&writable))?;
            own(&kept, container.owner.outside)?;
            return Ok(Source::Device { writable, kept });
        }
        other => other?,
    };
    let root = detached.root()?;
    own(&root, container.owner.inside)?;
    // With an idmapped mount the image holds the container's own ids, and every user inside can write.
    if let Some(user_namespace) = &container.user_namespace
        && let Err(error) = sys::mount_idmap(detached.fd().as_fd(), user_namespace.as_fd())
    {
        log::debug!("no idmapped mount ({error}): the image is given to the mapped user");
        own(&root, container.owner.outside)?;
    }
    Ok(Source::Detached(detached))
}

/// The record is for `poststop` without a bundle and for `sweep`. A container must not fail for want of it.
fn write_record(start: &Start<'_>, pid: i32, all: &[Ready<'_>], left: Vec<Plan>) {
    let prepared = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let record = Record {
        id: start.state.id.clone(),
        bundle: start.bundle.dir().to_owned(),
        app_state: start.state.app_state().map(str::to_owned),
        init: (pid, start_time(pid).unwrap_or(0)),
        prepared,
        paths: all.iter().map(|ready| ready.plan.clone()).collect(),
        left,
    };
    if let Err(error) = record.write(&start.admin.state_dir) {
        log::warn!("container {}: {}", start.state.id, error.report());
    }
}
