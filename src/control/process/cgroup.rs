//! Where the cgroups of a process are, in version 1, version 2, or a mix of both.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::proc;
use crate::proc::cgroup::Cgroup;
use crate::proc::mountinfo;
use crate::proc::mountinfo::Mount;

/// The longest cgroup file that is read; `cgroup.procs` of a container may list many processes.
const MAX_FILE: u64 = 256 * 1024;
/// How often, and how long apart, the removal of a cgroup is tried.
const REMOVE_ATTEMPTS: u32 = 100;
const REMOVE_INTERVAL: Duration = Duration::from_millis(10);

/// The controllers of version 2 where all are.
const V2_CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";

/// The cgroup directories of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    /// Version 1: a directory per controller.
    v1: Vec<(String, PathBuf)>,
    /// Version 2: the only directory.
    unified: Option<PathBuf>,
}

impl Cgroups {
    /// Those of a process, or `None` when it is gone or is in no cgroup of its own.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let groups = crate::proc::read(format!("/proc/{pid}/cgroup")).ok()?;
        Some(Self::parse(&groups, &mountinfo::own().ok()?))
    }

    /// Those that a runtime makes for a container, whether they are there or not: `path` below every hierarchy, as
    /// `linux.cgroupsPath` has it (config-linux.md, "Cgroups path"). None for a path of systemd's, `slice:prefix:name`.
    pub(crate) fn at(path: &Path) -> Self {
        let path = path.strip_prefix("/").unwrap_or(path);
        let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || path.as_os_str().is_empty() || path.as_os_str().as_bytes().contains(&b':') {
            return Self::default();
        }
        let mounts =
            mountinfo::own().unwrap_or_default().into_iter().filter(|mount| mount.root == Path::new("/"));
        let mut found = Self::default();
        for mount in mounts {
            match mount.fs_type.as_slice() {
                b"cgroup" => found.v1.push((String::new(), mount.point.join(path))),
                b"cgroup2" => found.unified = Some(mount.point.join(path)),
                _ => {}
            }
        }
        found
    }

    /// Those that are not ours. A container that an unprivileged daemon starts stays in the cgroups of the daemon, whose
    /// figures are not its own.
    pub(crate) fn apart_from(mut self, ours: &Self) -> Self {
        self.v1.retain(|group| !ours.v1.contains(group));
        self.unified = self.unified.filter(|dir| Some(dir) != ours.unified.as_ref());
        self
    }

    /// From `/proc/PID/cgroup` (cgroups(7)) and the mounts.
    fn parse(groups: &[u8], mounts: &[Mount]) -> Self {
        let mut found = Self::default();
        for Cgroup { controllers, path } in proc::cgroup::parse(groups) {
            if controllers.is_empty() {
                let mount = mounts.iter().find(|mount| mount.fs_type == b"cgroup2");
                found.unified = mount.and_then(|mount| dir_in(mount, &path));
                continue;
            }
            for controller in controllers.split(',') {
                let mount = mounts.iter().find(|mount| has_controller(mount, controller));
                if let Some(dir) = mount.and_then(|mount| dir_in(mount, &path)) {
                    found.v1.push((controller.to_owned(), dir));
                }
            }
        }
        found
    }

    /// The directory of a version 1 controller.
    pub(crate) fn v1(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|(name, _)| name == controller).map(|(_, dir)| dir.as_path())
    }

    /// The version 2 directory.
    pub(crate) fn unified(&self) -> Option<&Path> {
        self.unified.as_deref()
    }

    /// Removes the directories, once the processes in them that were killed are gone. What is still in use stays.
    pub(crate) async fn remove(&self) {
        let dirs: Vec<_> = self.v1.iter().map(|(_, dir)| dir).chain(&self.unified).collect();
        for _ in 0..REMOVE_ATTEMPTS {
            let busy = |dir: &&&PathBuf| {
                std::fs::remove_dir(dir).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
            };
            if dirs.iter().filter(busy).count() == 0 {
                return;
            }
            tokio::time::sleep(REMOVE_INTERVAL).await;
        }
        log::warn!("cgroups of a container that did not start are still in use: {dirs:?}");
    }

    /// Whether the processes are frozen, or being frozen.
    pub(crate) fn is_frozen(&self) -> bool {
        match self.v1("freezer") {
            Some(dir) => read(&dir.join("freezer.state")).is_some_and(|state| state.trim() != "THAWED"),
            None => self
                .unified()
                .is_some_and(|dir| read(&dir.join("cgroup.freeze")).is_some_and(|state| state.trim() == "1")),
        }
    }

    /// The host's ids of all processes in it, at most `most`.
    pub(crate) fn pids(&self, most: usize) -> Option<Vec<i32>> {
        let dir = self.v1("cpuacct").or(self.v1("pids")).or(self.unified())?;
        let list = read(&dir.join("cgroup.procs"))?;
        Some(list.lines().filter_map(|pid| pid.parse().ok()).take(most).collect())
    }
}

/// Where the whole hierarchy of a version 1 controller is mounted.
pub(crate) fn hierarchy(controller: &str) -> Option<PathBuf> {
    let mut mounts = mountinfo::own().ok()?.into_iter();
    mounts
        .find(|mount| mount.root == Path::new("/") && has_controller(mount, controller))
        .map(|mount| mount.point)
}

/// Whether the host has cgroups of version 2 and no others.
pub(crate) fn is_pure_v2() -> bool {
    Path::new(V2_CONTROLLERS).exists()
}

/// Whether the host has a controller, of either version.
pub(crate) fn has(controller: &str) -> bool {
    // Of version 1, the hierarchies in which we are: where they are mounted would take the kernel ten times as long to say.
    let groups = proc::read("/proc/self/cgroup").unwrap_or_default();
    let listed = || read(Path::new(V2_CONTROLLERS));
    proc::cgroup::parse(&groups)
        .iter()
        .any(|group| group.controllers.split(',').any(|name| name == controller))
        || listed().is_some_and(|names| names.split_whitespace().any(|name| name == controller))
}

/// The text of a cgroup file.
pub(crate) fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether a mount is the hierarchy of a version 1 controller.
fn has_controller(mount: &Mount, controller: &str) -> bool {
    let mut options = mount.fs_options.split(|byte| *byte == b',');
    mount.fs_type == b"cgroup" && options.any(|option| option == controller.as_bytes())
}

/// The directory of the cgroup `path` in a mounted hierarchy, if it can be seen here.
fn dir_in(mount: &Mount, path: &Path) -> Option<PathBuf> {
    // The whole hierarchy belongs to no single container: its figures would be the host's.
    let inside = path.strip_prefix(&mount.root).ok().filter(|inside| !inside.as_os_str().is_empty())?;
    let is_plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    is_plain.then(|| mount.point.join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &[u8] = b"\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /outer /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    fn parse(groups: &str, mounts: &[u8]) -> Cgroups {
        Cgroups::parse(groups.as_bytes(), &mountinfo::parse(mounts))
    }

    #[test]
    fn shared_cgroups_belong_to_no_container() {
        let ours = parse("4:memory:/outer/us\n3:cpu,cpuacct:/us\n0::/us\n", V1);
        let theirs = parse("4:memory:/outer/us\n3:cpu,cpuacct:/us/c\n0::/us\n", V1).apart_from(&ours);
        assert_eq!((theirs.v1("memory"), theirs.unified()), (None, None));
        assert_eq!(theirs.v1("cpu"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/us/c")));
    }

    #[test]
    fn directories_are_found_in_every_layout() {
        let groups = "5:memory:/outer/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n0::/x\n";
        let mixed = parse(groups, V1);
        assert_eq!(mixed.v1("memory"), Some(Path::new("/sys/fs/cgroup/memory/x")));
        assert_eq!(mixed.v1("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/x")));
        assert_eq!(mixed.v1("freezer"), None);
        assert_eq!(mixed.unified(), Some(Path::new("/sys/fs/cgroup/unified/x")));

        let v2 = b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let pure = parse("0::/system.slice/x\n", v2);
        assert_eq!(pure.unified(), Some(Path::new("/sys/fs/cgroup/system.slice/x")));
        assert_eq!(pure.v1("memory"), None);
    }

    #[test]
    fn what_is_outside_or_the_whole_host_is_not_a_containers() {
        for path in ["/", "/outerx/y", "/elsewhere", "/outer", "/../x"] {
            let groups = format!("5:memory:{path}\n");
            assert_eq!(parse(&groups, V1).v1("memory"), None, "{path}");
        }
    }
}
