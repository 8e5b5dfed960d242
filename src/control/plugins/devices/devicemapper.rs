//! `devicemapper`: sets the major and minor numbers of `linux.devices` as this host has them.
//!
//! They may differ from boot to boot, so they are looked up at the start.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use serde::Deserialize;
use serde_json::Value;

use crate::control::plugins::config_edit;
use crate::control::plugins::data::or_default;
use crate::control::plugins::plugin::{Invocation, Plugin};
use crate::error::{Error, ErrorKind, Result};

pub(crate) struct DeviceMapper;

#[derive(Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "or_default")]
    devices: Vec<String>,
}

impl Plugin for DeviceMapper {
    fn name(&self) -> &'static str {
        "devicemapper"
    }

    fn configure(&self, call: &Invocation<'_>, config: &mut Value) -> Result<()> {
        let Data { devices: wanted } = call.data()?;
        let found: Vec<_> =
            wanted.iter().filter_map(|path| Some((path.as_str(), Numbers::of(path)?))).collect();
        if found.is_empty() && !wanted.is_empty() {
            let what = format!("this host has none of the devices {}", wanted.join(", "));
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        if found.len() < wanted.len() {
            log::warn!(
                "container {}: some devices are missing on this host: {}",
                call.container.id,
                wanted.join(", ")
            );
        }
        let changed = correct_nodes(config_edit::list(config, &["linux", "devices"])?, &found);
        correct_rules(config_edit::list(config, &["linux", "resources", "devices"])?, &changed);
        Ok(())
    }
}

/// What distinguishes a device from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    major: i64,
    minor: i64,
}

impl Numbers {
    /// Those of the device at `path`, if there is one.
    fn of(path: &str) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let is_device = metadata.file_type().is_char_device() || metadata.file_type().is_block_device();
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        is_device.then_some(Self { major: major.into(), minor: minor.into() })
    }

    /// Those that a node or a rule of the configuration has, if it has both.
    fn in_config(device: &Value) -> Option<Self> {
        Some(Self { major: device["major"].as_i64()?, minor: device["minor"].as_i64()? })
    }

    fn write_to(self, device: &mut Value) {
        device["major"] = self.major.into();
        device["minor"] = self.minor.into();
    }
}

/// Gives the nodes their true numbers; each change, as type, old and new numbers.
fn correct_nodes(nodes: &mut [Value], found: &[(&str, Numbers)]) -> Vec<(Value, Numbers, Numbers)> {
    let mut changed = Vec::new();
    for node in nodes.iter_mut().filter(|node| node.is_object()) {
        let real = found.iter().find(|(path, _)| node["path"] == *path).map(|(_, real)| *real);
        let (Some(real), Some(old)) = (real, Numbers::in_config(node)) else { continue };
        if real != old {
            real.write_to(node);
            changed.push((node["type"].clone(), old, real));
        }
    }
    changed
}

/// The rules go by numbers: each that named an old device names the new one.
fn correct_rules(rules: &mut [Value], changed: &[(Value, Numbers, Numbers)]) {
    for rule in rules.iter_mut().filter(|rule| rule.is_object()) {
        let Some(numbers) = Numbers::in_config(rule) else { continue };
        let is_it = |(kind, old, _): &&(Value, Numbers, Numbers)| *old == numbers && rule["type"] == *kind;
        if let Some((_, _, real)) = changed.iter().find(is_it) {
            real.write_to(rule);
        }
    }
}
