//! `rdkPlugins` and `legacyPlugins`: those that touch nothing of the host, and those that the administrator lists. Neither
//! may have the daemon, which is root, write or read at a path that the app chose.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Map, Value};

use crate::control::bundle::owned::mounts;
use crate::control::bundle::owned::refused::{Owner, Refused, Ruling, array, is_empty};
use crate::control::settings::BundleOwners;
use crate::settings::admin::{self, Admin};
use crate::settings::{PLUGIN as MINIDUMP, Plans, Sources};

/// The advice where a path is meant to be the host's.
const OWN_PLACE: &str = "leave the path out, or give the bundle to root";
/// Hands a container its own output.
const ETHAN_LOG: &str = "EthanLog";

/// Checks `rdkPlugins` of the configuration `config`.
pub(super) fn check(
    plugins: &Map<String, Value>,
    config: &Map<String, Value>,
    owner: Owner,
    owners: &BundleOwners,
) -> Ruling {
    for (name, section) in plugins {
        let data = &section["data"];
        match name.as_str() {
            "logging" if data["fileOptions"].is_null() => continue,
            "logging" => {
                log_file(&data["fileOptions"]["path"], owner, owners)?;
                continue;
            }
            "localtime" if is_empty(&data["path"]) && is_empty(&data["setTZ"]) => continue,
            "localtime" => return Err(of_root("localtime", "path or setTZ")),
            "networking" if data["type"] == "none" => continue,
            MINIDUMP => {
                minidump(config, &data["destinationPath"])?;
                continue;
            }
            "storage" => storage(data, owner, owners)?,
            "oomcrash" => mounts::source(&data["path"], owner, owners)?,
            "ipc" => {
                ["system", "session", "debug"].iter().try_for_each(|bus| ipc(&data[*bus], owner, owners))?
            }
            _ => {}
        }
        listed(name, owners)?;
    }
    Ok(())
}

/// Checks `legacyPlugins`.
pub(super) fn check_legacy(plugins: &Map<String, Value>, owners: &BundleOwners) -> Ruling {
    plugins.keys().filter(|name| *name != ETHAN_LOG).try_for_each(|name| listed(name, owners))
}

fn listed(name: &str, owners: &BundleOwners) -> Ruling {
    if owners.plugins.iter().any(|listed| listed == name) {
        return Ok(());
    }
    Err(Refused::new(format!("the plugin {name:?} acts on the host"))
        .advise("list it in bundle_plugins, if apps may ask the host for what it does"))
}

/// Root opens the file, so that only root may decide what is in its directory, which holds nothing but logs.
fn log_file(path: &Value, owner: Owner, owners: &BundleOwners) -> Ruling {
    let refused = |why: &str| {
        Refused::new(format!("its log {path} {why}"))
            .advise("list a directory in bundle_logs that holds nothing else and that only root can write to")
    };
    let Some(path) = path.as_str().and_then(mounts::plain_path) else {
        return Err(refused("is not an absolute path without '..'"));
    };
    let dir = path.parent().unwrap_or(&path);
    if !owners.logs.iter().any(|listed| dir.starts_with(listed)) {
        return Err(refused("lies in no directory for logs of apps"));
    }
    if dir.canonicalize().ok().as_deref() != Some(dir) || !mounts::is_roots_alone(dir) {
        return Err(refused("lies where others than root can write"));
    }
    // crun gives the file to the container's user, runc leaves it to root.
    let is_its_own =
        |file: &Metadata| file.is_file() && file.nlink() == 1 && [0, owner.uid].contains(&file.uid());
    if path.symlink_metadata().is_ok_and(|file| !is_its_own(&file)) {
        return Err(refused("is there and not its own"));
    }
    Ok(())
}

fn of_root(plugin: &str, member: &str) -> Refused {
    Refused::new(format!("the plugin {plugin:?} with {member} has root open a path of the app's choice"))
        .advise(OWN_PLACE)
}

/// Images and `mountOwner` have root make, format, remove and give away what is at a path.
fn storage(data: &Value, owner: Owner, owners: &BundleOwners) -> Ruling {
    if let Some(member) = ["loopback", "mountOwner"].iter().find(|member| !is_empty(&data[**member])) {
        return Err(of_root("storage", member));
    }
    array("dynamic", &data["dynamic"])?.iter().try_for_each(|mount| {
        mounts::options(&mount["options"], true)?;
        mounts::source(&mount["source"], owner, owners)
    })
}

/// The host's system bus has a policy of its own; another socket is a path like any other.
fn ipc(bus: &Value, owner: Owner, owners: &BundleOwners) -> Ruling {
    if is_empty(bus) || *bus == "system" { Ok(()) } else { mounts::source(bus, owner, owners) }
}

/// Dumps go where those of containers with annotations may: both are written by strangers, and by root.
fn minidump(config: &Map<String, Value>, destination: &Value) -> Ruling {
    let admin = Admin::load(Path::new(admin::FILE)).unwrap_or_else(|_| Admin::cautious());
    let refused = |error: crate::error::Error| {
        Refused::new(format!("its minidumps: {}", error.report()))
            .advise("leave hostDestination and image to the settings of the hook, or name a directory that they allow")
    };
    let at = "rdkPlugins.minidump";
    if !is_empty(destination) {
        let path = destination.as_str().ok_or_else(|| of_root(MINIDUMP, "destinationPath"))?;
        admin.check_annotated(None, Path::new(path), at).map_err(refused)?;
    }
    let config = Value::Object(config.clone());
    let sources = Sources { file: None, annotations: None, config: Some(&config) };
    let plans = Plans::find(sources, &admin).map_err(refused)?;
    plans.into_iter().flat_map(|plans| plans.paths).try_for_each(|plan| {
        let image = (plan.image.as_path(), plan.imgsize);
        admin.check_annotated(Some(image), &plan.host_destination, &plan.origin).map_err(refused)
    })
}
