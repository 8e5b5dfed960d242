//! `devices`: input devices, and nothing else.

use std::ops::RangeInclusive;

use crate::dobby::host::Host;
use crate::dobby::read::node::Node;
use crate::dobby::spec::Device;

const NUMBERS: RangeInclusive<i64> = 0..=1024;
/// The driver of raw HID devices, whose number differs between hosts, and its devices.
const HIDRAW: (&str, RangeInclusive<u32>) = ("hidraw", 0..=99);
/// The input driver's number and its event devices.
const INPUT: (u32, RangeInclusive<u32>) = (13, 64..=95);

/// `devices`.
pub(in crate::dobby) fn devices(spec: &Node<'_>, host: &Host) -> Vec<Device> {
    let items = spec.member("devices").map(|devices| devices.items()).unwrap_or_default();
    items.iter().filter_map(|item| device(item, host)).collect()
}

fn device(node: &Node<'_>, host: &Host) -> Option<Device> {
    node.object()?.0.only(&["major", "minor", "access"]);
    let access = node.need("access").and_then(|access| self::access(&access));
    let major = node.need("major").and_then(|major| self::major(&major, host));
    let minor = node.need("minor").and_then(|minor| minor.whole(NUMBERS));
    let device = Device { major: major?, minor: minor?, access: access? };
    let hidraw = host.drivers.get(HIDRAW.0) == Some(&device.major) && HIDRAW.1.contains(&device.minor);
    let event = device.major == INPUT.0 && INPUT.1.contains(&device.minor);
    if hidraw || event {
        return Some(device);
    }
    node.wrong("is not allowed: only hidraw with minor 0..99, and major 13 with minor 64..95");
    None
}

fn access(node: &Node<'_>) -> Option<String> {
    let access = node.text()?.to_ascii_lowercase();
    if ["r", "w", "rw", "wr"].contains(&access.as_str()) {
        return Some(access);
    }
    node.wrong("is not one of r, w, rw");
    None
}

/// A driver's number, or its name in /proc/devices (proc(5)).
fn major(node: &Node<'_>, host: &Host) -> Option<u32> {
    if node.is_whole() {
        return node.whole(1..=*NUMBERS.end());
    }
    let Some(name) = node.value().as_str() else {
        node.wrong("is neither a whole number nor the name of a driver");
        return None;
    };
    let major = host.drivers.get(name).copied().filter(|major| NUMBERS.contains(&i64::from(*major)));
    if major.is_none() {
        node.wrong("is not a character device driver of this host");
    }
    major
}
