//! `check BUNDLE`: reads a bundle as the hook would, and says what would happen, or what is wrong and where.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use pathrs::RootRef;
use serde_json::Value;

use crate::command::doctor::show;
use crate::crash::pattern::Current;
use crate::doctor::finding::Finding;
use crate::doctor::kernel::loop_devices;
use crate::error::{Error, ErrorKind, ExitCode, Result, Tried};
use crate::host;
use crate::image::lock::LockedImage;
use crate::image::loopback::LoopDevice;
use crate::image::memory;
use crate::image::superblock::{Condition, inspect};
use crate::oci::bundle::Bundle;
use crate::oci::hooks;
use crate::settings::admin::Admin;
use crate::settings::{ANNOTATION, Backing, DEFAULT_IMGSIZE, Plan, Plans, Sources};
use crate::tool;

/// Looks at everything the hook would use for the bundle in `dir`; changes nothing.
///
/// # Errors
/// [`ErrorKind::Config`] when `config.json` cannot be read. What else is wrong is a finding and leads to
/// [`ExitCode::BadConfig`].
pub fn check(dir: &Path, json: bool, admin: &Admin, out: &mut impl Write) -> Result<ExitCode> {
    let bundle = Bundle::load(dir)?;
    let mut findings = registration(&bundle);
    let annotations = annotations(&bundle);
    findings.extend(annotations.contains_key(ANNOTATION).then(|| limits(admin)));
    findings.extend(outdated(bundle.config()));
    match plans(&bundle, &annotations, admin) {
        Ok(Some(plans)) => {
            for plan in &plans.paths {
                findings.extend(look_at(plan, &bundle, admin));
            }
            let text = if plans.required { "the container starts only when all of this works" } else { "the container starts anyway" };
            findings.push(Finding { ok: true, subject: "required".into(), text: text.into() });
            findings.push(Finding::of("loop devices", loop_devices()));
            findings.extend(plans.core.then(cores));
        }
        Ok(None) => findings.push(Finding {
            ok: false,
            subject: "configuration".into(),
            text: "no minidumps are configured: neither rdkPlugins.minidump nor the annotation org.rdk.minidump is there".into(),
        }),
        Err(error) => findings.push(Finding::of("configuration", Err(error))),
    }
    show(&findings, json, out)?;
    Ok(if findings.iter().all(|finding| finding.ok) { ExitCode::Ok } else { ExitCode::BadConfig })
}

/// Whether the kernel hands crashes over, for a container that asks for it.
fn cores() -> Finding {
    let result = Current::read().and_then(|current| {
        if current.is_ours() && current.pipe_limit > 0 {
            return Ok("the kernel hands crashes over".to_owned());
        }
        Err(Error::new(
            ErrorKind::Config,
            "programs without a crash handler leave no dump: the kernel does not call this program",
        )
        .advise("run 'oci-minidump-hook enable core'"))
    });
    Finding::of("core", result)
}

fn annotations(bundle: &Bundle) -> HashMap<String, String> {
    let annotations = bundle.config().get("annotations").and_then(|annotations| annotations.as_object());
    let pairs = annotations.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// As the hook finds them.
fn plans(bundle: &Bundle, annotations: &HashMap<String, String>, admin: &Admin) -> Result<Option<Plans>> {
    let sources =
        Sources { file: None, annotations: Some((annotations, "ID")), config: Some(bundle.config()) };
    let found = Plans::find(sources, admin)?;
    let section = bundle.config().pointer("/rdkPlugins/minidump").filter(|section| !section.is_null());
    match hooks::added(bundle.config()) {
        Some(added) if found.is_none() && section.is_none() => Plans::added(&added.to_string()).map(Some),
        _ => Ok(found),
    }
}

/// What is said when the section was edited after `add` had copied it.
fn outdated(config: &Value) -> Option<Finding> {
    let added = hooks::added(config)?;
    if config.pointer("/rdkPlugins/minidump") == Some(&added) {
        return None;
    }
    let text = "differs from rdkPlugins.minidump: an engine that drops that section goes by the older one; run 'add' again";
    Some(Finding { ok: true, subject: "--added in the hook's arguments".into(), text: text.into() })
}

/// What annotations may ask for.
fn limits(admin: &Admin) -> Finding {
    let list = |dirs: &[PathBuf]| match dirs {
        [] => "nowhere".to_owned(),
        dirs => dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    let text = format!(
        "go before rdkPlugins; image: at most {} bytes, below: {}; hostDestination: at or below: {}",
        admin.annotations.max_imgsize,
        list(admin.annotated_image_dirs()),
        list(admin.annotated_destinations())
    );
    Finding { ok: true, subject: "annotations".into(), text }
}

fn registration(bundle: &Bundle) -> Vec<Finding> {
    let registered = hooks::registered(bundle.config());
    let mut findings = Vec::new();
    for stages in [["prestart", "createRuntime"], ["poststop", "poststop"]] {
        let found = registered.iter().find(|(stage, _)| stages.contains(&stage.as_str()));
        let result = match found {
            Some((_, path)) if !Path::new(path).is_absolute() => Err(Error::new(
                ErrorKind::Config,
                format!("{path} is registered, and runtimes want an absolute path"),
            )
            .advise("run 'oci-minidump-hook add' again")),
            Some((_, path)) if Path::new(path).is_file() => Ok(path.clone()),
            Some((_, path)) => {
                Err(Error::new(ErrorKind::Config, format!("{path} is registered and does not exist")))
            }
            None => {
                Err(Error::new(ErrorKind::Config, format!("the hook is not registered as {}", stages[0]))
                    .advise("use 'oci-minidump-hook add', or hooks.d with podman and CRI-O"))
            }
        };
        findings.push(Finding::of(format!("hook {}", stages[0]), result));
    }
    findings
}

fn look_at(plan: &Plan, bundle: &Bundle, admin: &Admin) -> Vec<Finding> {
    vec![
        Finding::of(format!("image {}", plan.image.display()), image(plan, bundle, admin)),
        Finding::of(
            format!("directory {} in the container", plan.container_source.display()),
            mount_point(plan, bundle),
        ),
        Finding::of(
            format!("destination {}", plan.host_destination.display()),
            destination(plan, bundle, admin),
        ),
    ]
}

fn image(plan: &Plan, bundle: &Bundle, admin: &Admin) -> Result<String> {
    if bundle.has_in_rootfs(&plan.image)? {
        return Err(Error::new(ErrorKind::Config, "lies in the container's root file system"));
    }
    memory::refuse(admin, &plan.image)?;
    let open = |path: &Path| LockedImage::open(path, std::time::Duration::ZERO);
    let image = match open(&memory::place(admin, &plan.image))? {
        None => open(&plan.image)?,
        in_memory => in_memory,
    };
    let Some(image) = image else { return new_image(plan, admin) };
    if let Some(device) = LoopDevice::of(image.file())? {
        let (place, device) = (image.path().display(), device.path().display());
        return Ok(format!("is in use by a container ({place}, through {device})"));
    }
    match inspect(image.file()).tried(|| "cannot read it")? {
        Condition::Ext4 { ours: true, dirty: false, .. } | Condition::Blank { ours: true } => {
            let place = image.path().display();
            Ok(format!(
                "was left by an earlier run ({place}); its dumps are harvested first, then it is created again"
            ))
        }
        Condition::Ext4 { ours: true, dirty: true, .. } => {
            tool::find("e2fsck", "e2fsprogs")?;
            Ok("was in use when the power went; it is repaired and harvested first, then created again"
                .into())
        }
        Condition::Ext4 { ours: false, .. } | Condition::Blank { ours: false } | Condition::Unknown => {
            Err(Error::new(ErrorKind::Config, "was not made by this program, so the hook will not touch it")
                .advise("harvest it by hand and remove it, or name another image"))
        }
    }
}

fn new_image(plan: &Plan, admin: &Admin) -> Result<String> {
    let dir = host::nearest(plan.image.parent().unwrap_or(Path::new("/")));
    host::check_trusted(dir)?;
    if let Some(free) = host::free_bytes(dir)?
        && plan.imgsize > free
    {
        let what = format!("imgsize {} is above the {free} bytes free in {}", plan.imgsize, dir.display());
        return Err(Error::new(ErrorKind::NoSpace, what));
    }
    let place = match admin.backing_of(plan) {
        Backing::Disk => String::new(),
        Backing::Memory if plan.imgsize > admin.memory_size => {
            ", on the disk: memory_size is less".to_owned()
        }
        Backing::Memory => match memory::tmpfs::check(&admin.memory_dir()) {
            Ok(_) => ", in memory; here only if it cannot be harvested".to_owned(),
            Err(error) => format!(", on the disk: {}", error.report()),
        },
    };
    if plan.imgsize == DEFAULT_IMGSIZE {
        return Ok(format!("will be made ({} bytes{place})", plan.imgsize));
    }
    let program = tool::find("mke2fs", "e2fsprogs")?;
    Ok(format!("will be made ({} bytes, by {}{place})", plan.imgsize, program.display()))
}

fn mount_point(plan: &Plan, bundle: &Bundle) -> Result<String> {
    let rootfs = bundle.rootfs()?;
    let root: OwnedFd = host::open_dir(&rootfs)?.into();
    match RootRef::from_fd(root.as_fd()).resolve(&plan.container_source) {
        Ok(handle) => {
            let stat = rustix::fs::fstat(OwnedFd::from(handle)).tried(|| "cannot inspect it")?;
            if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory {
                return Ok("is there".into());
            }
            Err(Error::new(ErrorKind::Config, "is not a directory").advise("fix the root file system"))
        }
        Err(error) if matches!(error.kind(), pathrs::error::ErrorKind::OsError(Some(nix::libc::ENOENT))) => {
            Ok("will be made".into())
        }
        Err(error) => Err(Error::new(ErrorKind::Config, "cannot be resolved").caused_by(error)),
    }
}

fn destination(plan: &Plan, bundle: &Bundle, admin: &Admin) -> Result<String> {
    if bundle.has_in_rootfs(&plan.host_destination)? {
        return Err(Error::new(ErrorKind::Config, "lies in the container's root file system"));
    }
    memory::refuse(admin, &plan.host_destination)?;
    match std::fs::symlink_metadata(&plan.host_destination) {
        Ok(_) => {
            host::check_trusted(plan.host_destination.parent().unwrap_or(Path::new("/")))?;
            host::open_dir(&plan.host_destination).map(|_| "is there".to_owned())
        }
        Err(_) => {
            host::check_trusted(host::nearest(&plan.host_destination))?;
            Ok("will be made when there is a dump (mode 0750)".into())
        }
    }
}
