//! `linux`: namespaces, ids, devices, resources.

use serde_json::{Map, Value};

use crate::control::bundle::owned::refused::{Owner, Refused, Ruling, array, is_empty, object};
use crate::control::settings::BundleOwners;

/// Namespaces that hold a container apart from the host.
const NAMESPACES: [&str; 6] = ["user", "pid", "mount", "network", "ipc", "uts"];
/// Members that only take something away.
const PLAIN: [&str; 3] = ["maskedPaths", "readonlyPaths", "personality"];
/// Resources that have a limit, and their members that ask for more than a share.
const RESOURCES: [&str; 4] = ["memory", "pids", "cpu", "hugepageLimits"];
const REAL_TIME: [&str; 2] = ["realtimeRuntime", "realtimePeriod"];
/// Devices that keep nothing and show nothing: null, zero, full, random, urandom, tty, console, ptmx.
const DEVICES: [(u64, u64); 8] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
/// The major number of pseudo-terminals.
const PTS: u64 = 136;
/// The highest id that a mapping may name, the kernel's.
const MAX_ID: u64 = u32::MAX as u64 - 1;

/// Checks `linux`.
pub(super) fn check(linux: &Map<String, Value>, owner: Owner, owners: &BundleOwners) -> Ruling {
    for (key, value) in linux {
        match key.as_str() {
            key if PLAIN.contains(&key) => {}
            "namespaces" | "uidMappings" | "gidMappings" => {}
            "resources" => resources(object(key, value)?)?,
            "seccomp" => seccomp(object(key, value)?)?,
            "rootfsPropagation" if ["private", "rprivate", "slave", "rslave"].iter().any(|p| value == p) => {}
            _ if is_empty(value) => {}
            _ => return Err(Refused::new(format!("linux.{key} is for root's bundles only"))),
        }
    }
    let part = |key: &str| linux.get(key).unwrap_or(&Value::Null);
    namespaces(array("namespaces", part("namespaces"))?)?;
    let uids = array("uidMappings", part("uidMappings"))?;
    mappings("uidMappings", "user", uids, |id| id == owner.uid)?;
    let gids = array("gidMappings", part("gidMappings"))?;
    let is_its_group =
        |id| id != 0 && (owner.gid == Some(id) || owners.groups.iter().any(|range| range.contains(id)));
    mappings("gidMappings", "group", gids, is_its_group)?;
    // The administrator named no users, but trusts a bundle to be its own app's.
    if !owners.name(owner.uid) && !uids.iter().any(|mapping| mapping["containerID"] == 0) {
        return Err(Refused::new("its owner is not the root of its user namespace"));
    }
    Ok(())
}

fn namespaces(namespaces: &[Value]) -> Ruling {
    if let Some(other) = namespaces.iter().find(|namespace| !is_empty(&namespace["path"])) {
        let kind = other["type"].as_str().unwrap_or_default();
        return Err(Refused::new(format!("it enters the {kind} namespace of another process")));
    }
    match NAMESPACES.iter().find(|kind| !namespaces.iter().any(|namespace| namespace["type"] == **kind)) {
        None => Ok(()),
        Some(kind) => Err(Refused::new(format!("it has no {kind} namespace of its own"))),
    }
}

/// Every id of the host in `mappings` must be its own.
fn mappings(key: &str, kind: &str, mappings: &[Value], is_its_own: impl Fn(u32) -> bool) -> Ruling {
    if mappings.is_empty() {
        return Err(Refused::new(format!("linux.{key} is empty: it would have root's ids")));
    }
    for mapping in mappings {
        let (first, size) = (mapping["hostID"].as_u64(), mapping["size"].as_u64());
        let (Some(first), Some(size)) = (first, size.filter(|size| (1..=MAX_ID).contains(size))) else {
            return Err(Refused::new(format!("linux.{key} is malformed")));
        };
        let last = first.saturating_add(size - 1);
        // The first that is not its own ends the search, however large the size.
        let other = (first..=last).find(|id| !u32::try_from(*id).is_ok_and(&is_its_own));
        if let Some(id) = other {
            let what = format!("linux.{key} gives it {kind} {id} of the host");
            return Err(Refused::new(what)
                .advise("map only the owner of the bundle, and the groups of bundle_groups"));
        }
    }
    Ok(())
}

fn seccomp(seccomp: &Map<String, Value>) -> Ruling {
    match seccomp.keys().find(|key| key.starts_with("listener")) {
        None => Ok(()),
        Some(key) => Err(Refused::new(format!("linux.seccomp.{key} has root connect to a socket"))),
    }
}

fn resources(resources: &Map<String, Value>) -> Ruling {
    for (key, value) in resources {
        match key.as_str() {
            "devices" => array(key, value)?.iter().try_for_each(device)?,
            "cpu" if REAL_TIME.iter().any(|name| !value[*name].is_null()) => {
                return Err(Refused::new("linux.resources.cpu.realtimeRuntime takes time from all others"));
            }
            "pids" if !value["limit"].is_null() && value["limit"].as_u64().is_none_or(|limit| limit == 0) => {
                return Err(Refused::new("linux.resources.pids.limit is none"));
            }
            key if RESOURCES.contains(&key) => {}
            _ if is_empty(value) => {}
            _ => return Err(Refused::new(format!("linux.resources.{key} is for root's bundles only"))),
        }
    }
    Ok(())
}

fn device(rule: &Value) -> Ruling {
    if rule["allow"] == false {
        return Ok(());
    }
    let (major, minor) = (rule["major"].as_u64(), rule["minor"].as_u64());
    let is_plain = rule["type"] == "c"
        && match (major, minor) {
            (Some(PTS), _) => true,
            (Some(major), Some(minor)) => DEVICES.contains(&(major, minor)),
            _ => false,
        };
    if is_plain { Ok(()) } else { Err(Refused::new(format!("it asks for the device {rule}"))) }
}
