//! `mounts`.

use crate::dobby::read::node::Node;
use crate::dobby::spec::MOUNT_FLAGS;
use crate::dobby::spec::{SpecLoop, SpecMount};

/// The longest path that the kernel takes (`PATH_MAX`), in bytes.
const MAX_PATH: usize = 4095;

/// `mounts`: those for the runtime, and those of type `loop`.
pub(in crate::dobby) fn mounts(spec: &Node<'_>) -> (Vec<SpecMount>, Vec<SpecLoop>) {
    let items = spec.member("mounts").map(|mounts| mounts.items()).unwrap_or_default();
    let (mut mounts, mut loops) = (Vec::new(), Vec::new());
    for item in items {
        let Some(mount) = mount(&item) else { continue };
        if mount.kind == "loop" {
            loops.extend(loop_mount(&item, mount));
        } else {
            mounts.push(mount);
        }
    }
    (mounts, loops)
}

fn mount(node: &Node<'_>) -> Option<SpecMount> {
    node.object()?;
    let text = |key| node.need(key)?.text();
    let (source, destination, kind) = (text("source"), destination(node), text("type"));
    let options = node.given("options").map(|options| options.texts()).unwrap_or_default();
    Some(SpecMount { source: source?, destination: destination?, kind: kind?, options })
}

/// The place in the container: a path that cannot lead out of it.
fn destination(node: &Node<'_>) -> Option<String> {
    let node = node.need("destination")?;
    let path = node.text()?;
    let rule = if path.is_empty() {
        "is empty"
    } else if path.len() > MAX_PATH {
        "is longer than 4095 bytes"
    } else if path.split('/').any(|part| part == "..") {
        "contains '..'"
    } else if path.split('/').all(|part| part.is_empty() || part == ".") {
        "is the root of the container"
    } else {
        return Some(path);
    };
    node.wrong(rule);
    None
}

fn loop_mount(node: &Node<'_>, mount: SpecMount) -> Option<SpecLoop> {
    if mount.destination.contains("..") {
        node.member("destination")?.wrong("contains '..'");
        return None;
    }
    let fstype = node.need("fstype")?.text()?;
    let mut flags = 0;
    let mut rest = Vec::new();
    for option in mount.options {
        match MOUNT_FLAGS.iter().find(|(name, _)| *name == option) {
            Some((_, flag)) => flags |= flag,
            None => rest.push(option),
        }
    }
    let options = if rest.is_empty() { None } else { Some(rest) };
    Some(SpecLoop { source: mount.source, destination: mount.destination, fstype, flags, options })
}
