//! The GPU and the video decoder as far as a container may use them.

use serde_json::{Value, json};

use crate::dobby::host::{DeviceNode, Host};
use crate::dobby::read::problems::Findings;
use crate::dobby::spec::{Spec, SpecMount, User};

/// Everything that the allowed pieces of hardware bring along.
#[derive(Debug, Default)]
pub(crate) struct Allowed<'a> {
    pub(crate) nodes: Vec<DeviceNode>,
    pub(crate) gpu_mounts: &'a [SpecMount],
    pub(crate) vpu_mounts: &'a [SpecMount],
    pub(crate) env: Vec<&'a str>,
    pub(crate) groups: Groups,
}

/// The additional groups of the container's process.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// As the process sees them (`process.user.additionalGids`).
    pub(crate) additional: Vec<u32>,
    /// Mappings besides that of the user's own group, with a size of 1 each: in the container, on the host.
    pub(crate) mapped: Vec<(u32, u32)>,
}

/// How many groups from the user's own on are mapped, so that the usual system groups exist.
pub(crate) const OWN_GROUPS: u32 = 10;

impl<'a> Allowed<'a> {
    /// What a spec allows on this host; with a warning for hardware that the host has no settings for.
    pub(crate) fn new(spec: &Spec, host: &'a Host, findings: &Findings) -> Self {
        let mut allowed = Self::default();
        let mut groups = Vec::new();
        let pieces = [
            ("gpu", &host.settings.gpu, spec.gpu.is_some(), &mut allowed.gpu_mounts),
            ("vpu", &host.settings.vpu, spec.vpu, &mut allowed.vpu_mounts),
        ];
        for (name, hardware, enabled, mounts) in pieces {
            if !enabled {
                continue;
            }
            let nodes = hardware.nodes();
            if nodes.is_empty() {
                findings.warn(format!("{name}: this host has no device nodes for it"));
            }
            allowed.nodes.extend(nodes);
            *mounts = hardware.mounts.as_slice();
            allowed.env.extend(hardware.env.iter().map(String::as_str));
            groups.extend_from_slice(&hardware.groups);
        }
        allowed.nodes.sort_by(|a, b| a.path.cmp(&b.path));
        allowed.nodes.dedup();
        allowed.groups = Groups::new(&groups, spec.user_ns.then_some(spec.user));
        allowed
    }
}

impl Groups {
    /// The host's groups `wanted`, in the user namespace of `user` if there is one. No id may be mapped twice on
    /// either side (user_namespaces(7)).
    fn new(wanted: &[u32], user: Option<User>) -> Self {
        let mut groups = Self::default();
        for gid in wanted {
            let inside = match user {
                None => *gid,
                Some(user) => groups.map(*gid, user.gid),
            };
            if !groups.additional.contains(&inside) {
                groups.additional.push(inside);
            }
        }
        groups
    }

    fn map(&mut self, gid: u32, own: u32) -> u32 {
        if let Some(offset) = gid.checked_sub(own).filter(|offset| *offset < OWN_GROUPS) {
            return offset;
        }
        if let Some((inside, _)) = self.mapped.iter().find(|(_, outside)| *outside == gid) {
            return *inside;
        }
        let taken = |id: u32| id < OWN_GROUPS || self.mapped.iter().any(|(inside, _)| *inside == id);
        let inside = std::iter::once(gid).chain(OWN_GROUPS..).find(|id| !taken(*id)).unwrap_or(gid);
        self.mapped.push((inside, gid));
        inside
    }
}

impl DeviceNode {
    /// The node in `linux.devices`.
    pub(crate) fn node(&self) -> Value {
        json!({
            "path": self.path,
            "type": "c",
            "major": self.major,
            "minor": self.minor,
            "fileMode": self.mode & 0o666,
            "uid": 0,
            "gid": 0,
        })
    }

    /// The permission in `linux.resources.devices`.
    pub(crate) fn rule(&self) -> Value {
        device_rule(self.major, self.minor, "rw")
    }
}

/// A permission in `linux.resources.devices`.
pub(crate) fn device_rule(major: u32, minor: u32, access: &str) -> Value {
    json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": access})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_group_is_mapped_twice() {
        let groups = Groups::new(&[44, 45, 44, 1005, 5, 10], Some(User { uid: 1000, gid: 1000 }));
        assert_eq!(groups.mapped, [(44, 44), (45, 45), (10, 5), (11, 10)]);
        assert_eq!(groups.additional, [44, 45, 5, 10, 11]);
        let groups = Groups::new(&[44, 5, 44], None);
        assert_eq!((groups.additional, groups.mapped), (vec![44, 5], vec![]));
    }
}
