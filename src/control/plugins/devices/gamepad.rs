//! `gamepad`: gives the container `/dev/input`, its devices and its group.

use std::path::Path;

use nix::unistd::Group;
use serde_json::{Value, json};

use crate::control::plugins::config_edit::{Bind, list, object};
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::error::{Error, ErrorKind, Result};

/// Where the devices are.
const DIR: &str = "/dev/input";
/// The driver's number, and the numbers of the devices.
const MAJOR: u32 = 13;
const MINORS: std::ops::Range<u32> = 64..74;
/// The group that the devices belong to.
const GROUP: &str = "input";

pub(crate) struct Gamepad;

impl Plugin for Gamepad {
    fn name(&self) -> &'static str {
        "gamepad"
    }

    fn configure(&self, _job: &Invocation<'_>, config: &mut Value) -> Result<()> {
        if !Path::new(DIR).is_dir() {
            return Err(Error::new(ErrorKind::Unsupported, format!("this host has no {DIR}")));
        }
        let rule =
            |minor| json!({"allow": true, "type": "c", "major": MAJOR, "minor": minor, "access": "rw"});
        list(config, &["linux", "resources", "devices"])?.extend(MINORS.map(rule));
        // Devices are meant to work there, so without nodev.
        Bind { source: Path::new(DIR), destination: DIR, options: &["nosuid", "noexec"] }.add_to(config)?;
        match Group::from_name(GROUP) {
            Ok(Some(group)) => join(config, group.gid.as_raw().into()),
            _ => Ok(()),
        }
    }
}

/// Lets the container's program be in a group of the host.
fn join(config: &mut Value, gid: u64) -> Result<()> {
    let linux = object(config, &["linux"])?;
    let mappings = linux.get_mut("gidMappings").and_then(Value::as_array_mut);
    let inside = mappings.filter(|mappings| !mappings.is_empty()).map_or(gid, |mappings| map(mappings, gid));
    let groups = list(config, &["process", "user", "additionalGids"])?;
    if !groups.contains(&inside.into()) {
        groups.push(inside.into());
    }
    Ok(())
}

/// The id of a group in the container. No id may be mapped twice on either side (user_namespaces(7)).
fn map(mappings: &mut Vec<Value>, gid: u64) -> u64 {
    let covers = |mapping: &Value, side: &str, id: u64| {
        let offset = id.checked_sub(mapping[side].as_u64()?)?;
        (offset < mapping["size"].as_u64()?).then_some(offset)
    };
    let known = mappings
        .iter()
        .find_map(|mapping| Some(covers(mapping, "hostID", gid)? + mapping["containerID"].as_u64()?));
    if let Some(inside) = known {
        return inside;
    }
    let is_free = |id: &u64| mappings.iter().all(|mapping| covers(mapping, "containerID", *id).is_none());
    let inside = std::iter::once(gid).chain(1..65_535).find(is_free).unwrap_or(gid);
    mappings.push(json!({"containerID": inside, "hostID": gid, "size": 1}));
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_mapped_once() {
        let mapping = |inside: u64, outside: u64, size: u64| json!({"containerID": inside, "hostID": outside, "size": size});
        let cases = [(1003, 3, 1), (50, 50, 2), (5, 10, 2)];
        for (gid, inside, count) in cases {
            let mut mappings = vec![mapping(0, 1000, 10)];
            assert_eq!((map(&mut mappings, gid), mappings.len()), (inside, count), "{gid}");
            assert_eq!(map(&mut mappings, gid), inside, "once more");
        }
        let mut config = json!({"process": {"user": {"uid": 0}}});
        for _ in 0..2 {
            join(&mut config, 44).unwrap();
        }
        assert_eq!(config["process"]["user"]["additionalGids"], json!([44]));
    }
}
