//! prestart: an image is made and mounted, and put into the container as its minidump directory.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::hook::attach::{Item, Source, attach, own};
use crate::hook::container::Container;
use crate::hook::leftover::Terms;
use crate::hook::previous::make_way;
use crate::hook::record::{Liveness, Prepared, Record};
use crate::hook::settle::{Settled, settle};
use crate::image::create::NewImage;
use crate::image::identity::Identity;
use crate::image::known;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::mark::Mark;
use crate::image::memory;
use crate::image::mount::detached::{Detached, is_too_old};
use crate::image::mount::label::MountLabel;
use crate::image::mount::options::{Access, Writable};
use crate::image::mount::private_namespace::mount_in_private_namespace;
use crate::image::superblock::{Condition, inspect};
use crate::oci::bundle::Bundle;
use crate::oci::run::Run;
use crate::oci::state::State;
use crate::oci::subject::Subject;
use crate::proc::{mount_point, selinux, user_namespace};
use crate::settings::admin::Admin;
use crate::settings::{Backing, Plan, Plans};
use crate::sys;

/// How long reading what earlier runs left may take; `add` registers the hook with a timeout of 30 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What preparing is about.
struct Start<'a> {
    state: &'a State,
    bundle: &'a Bundle,
    rootfs: &'a Path,
    container: &'a Container,
    /// What the container's mounts are labelled with.
    label: Option<MountLabel>,
    admin: &'a Admin,
    deadline: Deadline,
}

/// An image that is mounted and waits to be put into the container.
struct Ready<'a> {
    plan: &'a Plan,
    source: Source,
    device: LoopDevice,
    /// Locked until the container has the mount.
    image: LockedImage,
    identity: Identity,
    backing: Backing,
    /// Where the file system of the destination is mounted.
    mount: Option<PathBuf>,
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
    user_namespace::check_root()?;
    let pid = state.pid.ok_or_else(|| {
        Error::new(ErrorKind::Input, "the OCI state names no process, so there is no container to prepare")
            .advise("register the hook as prestart (or createRuntime) and as poststop")
    })?;
    let rootfs = bundle.rootfs()?;
    let container = Container::open(pid, &rootfs, bundle.user()?)?;
    let label = MountLabel::decide(bundle.mount_label()?.as_deref(), selinux::is_enabled)
        .map_err(|e| e.within(bundle.config_path().display()))?;
    let deadline = Deadline::after(READ_TIMEOUT);
    let start = Start { state, bundle, rootfs: &rootfs, container: &container, label, admin, deadline };
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
    // Before the mounts: if we are killed in between, the images are found all the same.
    let record = write_record(&start, pid, &all, (left, plans.core));
    let placed = place(&start, all, plans.required);
    match (&placed, record) {
        // An image that is left because something holds it must be found.
        (Err(_), Some(record)) if record.paths.iter().all(|prepared| !prepared.place().exists()) => {
            if let Err(error) = record.remove() {
                log::warn!("container {}: {}", state.id, error.report());
            }
        }
        (_, record) => settle_earlier_runs(&start, record.as_ref()),
    }
    placed
}

/// Makes up for poststops of this container that never came. What cannot be done at once is for `sweep`.
fn settle_earlier_runs(start: &Start<'_>, this: Option<&Record>) {
    let terms = Terms {
        admin: start.admin,
        lock_timeout: Duration::ZERO,
        detach_timeout: Duration::ZERO,
        deadline: start.deadline,
    };
    let records = Record::of_others(&start.admin.state_dir, &start.state.id, start.bundle.dir(), this);
    for record in records.unwrap_or_else(|error| vec![Err(error)]) {
        let settled = match record {
            Ok(record) if record.liveness() != Liveness::Ended => continue,
            Ok(record) => settle(&record, &terms),
            Err(error) => Settled::failed(error),
        };
        for error in settled.failures {
            log::warn!("container {}: {}", start.state.id, error.report());
        }
    }
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
            all.into_iter().for_each(undo);
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
    let Ready { source, device, image, .. } = ready;
    // The mount and the device go with their last descriptors.
    drop((source, device));
    if let Err(error) = image.remove() {
        log::warn!("{}", error.report());
    }
}

/// Makes or finds the image of a plan and mounts it, in no namespace yet.
fn ready<'a>(plan: &'a Plan, start: &Start<'_>) -> Result<Ready<'a>> {
    for (key, path) in [("hostDestination", &plan.host_destination), ("image", &plan.image)] {
        if path.starts_with(start.rootfs) {
            let what = format!("{key} {} lies in the container's root file system", path.display());
            return Err(Error::new(ErrorKind::Config, format!("{what} ({}.{key})", plan.origin)));
        }
        memory::refuse(start.admin, path)
            .map_err(|error| error.within(format!("{key} {} ({}.{key})", path.display(), plan.origin)))?;
    }
    let mark = Mark {
        container: Some(start.state.id.clone()),
        app_state: start.state.app_state().map(str::to_owned),
        destination: Some(plan.host_destination.clone()),
        mount: mount_point::of(&plan.host_destination).filter(|point| point != Path::new("/")),
        // What this run is, an earlier one need not have been.
        subject: None,
    };
    make_way(plan, &mark, start.admin, start.deadline)?;
    let mark = Mark { subject: subject(start), ..mark };
    let (image, backing) = make(plan, start)?;
    mark.write(image.file());
    remember_dir(plan, start);
    let identity = Identity::of(image.file())?;
    let device = LoopDevice::attach(image.file(), image.path(), false)?;
    let source = mount(&device, writable(&image, start)?, start.container)?;
    Ok(Ready { plan, source, device, image: image.publish()?, identity, backing, mount: mark.mount })
}

/// Makes the image of a plan. One that finds no room in memory lies on the disk: no container starts without its directory
/// for that.
fn make(plan: &Plan, start: &Start<'_>) -> Result<(NewImage, Backing)> {
    let owner = start.container.owner.inside;
    if start.admin.backing_of(plan) == Backing::Memory {
        match memory::make(plan, owner, start.admin) {
            Ok(image) => return Ok((image, Backing::Memory)),
            Err(error) => {
                log::warn!("container {}: {}; its image lies on the disk", start.state.id, error.report());
            }
        }
    }
    Ok((NewImage::make(plan, owner)?, Backing::Disk))
}

/// Makes sure that `sweep` finds a new image also after a reboot. A container must not fail for want of it.
fn remember_dir(plan: &Plan, start: &Start<'_>) {
    let dir = plan.image.parent().unwrap_or(Path::new("/"));
    // The directory of the settings, too: these change.
    if let Err(error) = known::remember(&start.admin.known_dirs, dir) {
        log::warn!("container {}: {}", start.state.id, error.report());
    }
}

/// The mount options that fit the image and the container.
fn writable(image: &NewImage, start: &Start<'_>) -> Result<Writable> {
    let condition =
        inspect(image.file()).tried(|| format!("cannot read the image {}", image.path().display()))?;
    MountLabel::note(start.label.as_ref(), image.file());
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

/// What the engine says of the container, if crash records are kept or dumps are handed over.
fn subject(start: &Start<'_>) -> Option<Subject> {
    let subject = || {
        let dir = start.bundle.dir();
        Subject { run: Run::that_begins(dir), ..Subject::of(&start.state.annotations, dir) }
    };
    (start.admin.crash_records.is_on() || start.admin.notify.is_on()).then(subject)
}

/// The record is for `poststop` without a bundle and for `sweep`. A container must not fail for want of it.
fn write_record(
    start: &Start<'_>,
    pid: i32,
    all: &[Ready<'_>],
    (left, core): (Vec<Plan>, bool),
) -> Option<Record> {
    let prepared = |ready: &Ready<'_>| Prepared {
        plan: ready.plan.clone(),
        identity: Some(ready.identity),
        memory: (ready.backing == Backing::Memory).then(|| ready.image.path().to_owned()),
        mount: ready.mount.clone(),
    };
    let init = (pid, start.container.started.unwrap_or(0));
    let mut record = Record::new(&start.state.id, start.bundle.dir(), start.state.app_state(), init);
    record.paths = all.iter().map(prepared).collect();
    record.left = left;
    record.core = core;
    record.subject = subject(start);
    match record.write(&start.admin.state_dir) {
        Ok(()) => Some(record),
        Err(error) => {
            log::warn!("container {}: {}", start.state.id, error.report());
            None
        }
    }
}
