//! The control groups of a process: `/proc/PID/cgroup` (cgroups(7)).
//!
//! A process without privilege cannot leave its group, only go deeper: what lies below a container's group is the
//! container's.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A group in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    /// The controllers of the hierarchy, such as `cpu,cpuacct` or `name=systemd`; empty for version 2.
    pub controllers: String,
    /// The group, from the root of the hierarchy on.
    pub path: PathBuf,
}

/// Reads the text of such a file.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Cgroup> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Cgroup> {
    let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
    let controllers = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let path = PathBuf::from(OsString::from_vec(fields.next()?.to_vec()));
    // Seen from another cgroup namespace, which says nothing here.
    let is_plain = !path.components().any(|part| part == std::path::Component::ParentDir);
    is_plain.then_some(Cgroup { controllers, path })
}

/// The groups of `pid` that we are not in ourselves: those that were made for it. Empty when it cannot be known.
#[must_use]
pub fn own_of(pid: i32) -> Vec<Cgroup> {
    let of =
        |process: &str| crate::proc::read(format!("/proc/{process}/cgroup")).ok().map(|text| parse(&text));
    let (Some(theirs), Some(ours)) = (of(&pid.to_string()), of("self")) else { return Vec::new() };
    let is_shared = |group: &Cgroup| ours.iter().any(|own| own.is_within(group));
    // A path that is not UTF-8 could not be written to a record.
    theirs.into_iter().filter(|group| !is_shared(group) && group.path.to_str().is_some()).collect()
}

impl Cgroup {
    /// Whether this group is `other`, or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.controllers == other.controllers && self.path.starts_with(&other.path)
    }
}

/// How deep `own` groups are in which a process with the groups `of` is; `None` when it is not in all of them.
#[must_use]
pub fn depth(of: &[Cgroup], own: &[Cgroup]) -> Option<usize> {
    let is_in = |group: &Cgroup| of.iter().any(|theirs| theirs.is_within(group));
    if own.is_empty() || !own.iter().all(is_in) {
        return None;
    }
    own.iter().map(|group| group.path.components().count()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_is_the_containers() {
        let own = parse(b"4:memory:/pod/a\n0::/pod/a\n");
        let cases = [
            (&b"4:memory:/pod/a\n0::/pod/a\n"[..], Some(3)),
            (b"4:memory:/pod/a/deep:er\n1:pids:/x\n0::/pod/a/b/c\n", Some(3)),
            (b"4:memory:/pod/ab\n0::/pod/a\n", None),
            (b"4:memory:/pod\n0::/pod/a\n", None),
            (b"4:memory:/pod/a\n", None),
            (b"0::/pod/a/../../b\n", None),
            (b"junk\n\xff:\xff:\xff\n", None),
            (b"", None),
        ];
        for (text, expected) in cases {
            assert_eq!(depth(&parse(text), &own), expected, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(depth(&own, &[]), None);
    }

    #[test]
    fn groups_that_we_share_are_not_its_own() {
        assert_eq!(own_of(std::process::id().cast_signed()), []);
        assert_eq!(own_of(i32::MAX), []);
    }
}
