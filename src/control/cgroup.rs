//! Where the cgroups of a process are, in version 1, version 2, or a mix of both.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest cgroup file that is read; `cgroup.procs` of a container may list many processes.
const LONGEST: u64 = 256 * 1024;
/// How often, and how long apart, the removal of a cgroup is tried.
const PATIENCE: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The cgroup directories of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cgroups {
    /// Version 1: a directory per controller.
    v1: Vec<(String, PathBuf)>,
    /// Version 2: the only directory.
    unified: Option<PathBuf>,
}

impl Cgroups {
    /// Those of a process, or `None` when it is gone or is in no cgroup of its own.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        Some(Self::parse(&groups, &mounts))
    }

    /// Those that are not ours. A container that an unprivileged daemon starts stays in the cgroups of the daemon, whose
    /// figures are not its own.
    pub(super) fn apart_from(mut self, ours: &Self) -> Self {
        self.v1.retain(|group| !ours.v1.contains(group));
        self.unified = self.unified.filter(|dir| Some(dir) != ours.unified.as_ref());
        self
    }

    /// From `/proc/PID/cgroup` (cgroups(7)) and `/proc/self/mountinfo` (proc(5)).
    fn parse(groups: &str, mounts: &str) -> Self {
        let mounts: Vec<_> = mounts.lines().filter_map(Mount::parse).collect();
        let mut found = Self::default();
        for line in groups.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            if controllers.is_empty() {
                let mount = mounts.iter().find(|mount| mount.unified);
                found.unified = mount.and_then(|mount| mount.dir(path));
                continue;
            }
            for controller in controllers.split(',') {
                let mount = mounts.iter().find(|mount| mount.controllers.contains(&controller));
                if let Some(dir) = mount.and_then(|mount| mount.dir(path)) {
                    found.v1.push((controller.to_owned(), dir));
                }
            }
        }
        found
    }

    /// The directory of a version 1 controller.
    pub(super) fn v1(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|(name, _)| name == controller).map(|(_, dir)| dir.as_path())
    }

    /// The version 2 directory.
    pub(super) fn unified(&self) -> Option<&Path> {
        self.unified.as_deref()
    }

    /// Removes the directories, once the processes in them that were killed are gone. What is still in use stays.
    pub(super) async fn remove(&self) {
        let dirs: Vec<_> = self.v1.iter().map(|(_, dir)| dir).chain(&self.unified).collect();
        for _ in 0..PATIENCE {
            let busy = |dir: &&&PathBuf| {
                std::fs::remove_dir(dir).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy)
            };
            if dirs.iter().filter(busy).count() == 0 {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        log::warn!("cgroups of a container that did not start are still in use: {dirs:?}");
    }

    /// Whether the processes are frozen, or being frozen.
    pub(super) fn is_frozen(&self) -> bool {
        match self.v1("freezer") {
            Some(dir) => read(&dir.join("freezer.state")).is_some_and(|state| state.trim() != "THAWED"),
            None => self
                .unified()
                .is_some_and(|dir| read(&dir.join("cgroup.freeze")).is_some_and(|state| state.trim() == "1")),
        }
    }

    /// The host's ids of all processes in it, at most `most`.
    pub(super) fn pids(&self, most: usize) -> Option<Vec<i32>> {
        let dir = self.v1("cpuacct").or(self.v1("pids")).or(self.unified())?;
        let list = read(&dir.join("cgroup.procs"))?;
        Some(list.lines().filter_map(|pid| pid.parse().ok()).take(most).collect())
    }
}

/// Where the whole hierarchy of a version 1 controller is mounted.
pub(super) fn hierarchy(controller: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mut mounts = mounts.lines().filter_map(Mount::parse);
    let mount = mounts.find(|mount| mount.root == "/" && mount.controllers.contains(&controller))?;
    Some(mount.point.into())
}

/// The text of a cgroup file.
pub(super) fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// A mounted hierarchy.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    unified: bool,
    controllers: Vec<&'a str>,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let kind = file_system.next()?;
        let options = file_system.nth(1)?;
        let controllers = if kind == "cgroup" { options.split(',').collect() } else { Vec::new() };
        let known = kind == "cgroup" || kind == "cgroup2";
        known.then_some(Self { root, point, unified: kind == "cgroup2", controllers })
    }

    /// The directory of a cgroup in this hierarchy, if it can be seen here.
    fn dir(&self, path: &str) -> Option<PathBuf> {
        let inside = match self.root {
            "/" => path,
            root => path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))?,
        };
        // The whole hierarchy is nobody's own cgroup: its figures would be the host's.
        let inside = inside.trim_start_matches('/');
        (!inside.is_empty() && !inside.contains("..")).then(|| Path::new(self.point).join(inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /outer /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn shared_cgroups_are_nobodys() {
        let ours = Cgroups::parse("4:memory:/outer/us\n3:cpu,cpuacct:/us\n0::/us\n", V1);
        let theirs =
            Cgroups::parse("4:memory:/outer/us\n3:cpu,cpuacct:/us/c\n0::/us\n", V1).apart_from(&ours);
        assert_eq!((theirs.v1("memory"), theirs.unified()), (None, None));
        assert_eq!(theirs.v1("cpu"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/us/c")));
    }

    #[test]
    fn directories_are_found_in_every_layout() {
        let groups = "5:memory:/outer/x\n4:cpu,cpuacct:/x\n1:name=systemd:/x\n0::/x\n";
        let mixed = Cgroups::parse(groups, V1);
        assert_eq!(mixed.v1("memory"), Some(Path::new("/sys/fs/cgroup/memory/x")));
        assert_eq!(mixed.v1("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct/x")));
        assert_eq!(mixed.v1("freezer"), None);
        assert_eq!(mixed.unified(), Some(Path::new("/sys/fs/cgroup/unified/x")));

        let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let pure = Cgroups::parse("0::/system.slice/x\n", v2);
        assert_eq!(pure.unified(), Some(Path::new("/sys/fs/cgroup/system.slice/x")));
        assert_eq!(pure.v1("memory"), None);
    }

    #[test]
    fn what_is_outside_or_the_whole_host_is_not_a_containers() {
        for path in ["/", "/outerx/y", "/elsewhere", "/outer", "/../x"] {
            let groups = format!("5:memory:{path}\n");
            assert_eq!(Cgroups::parse(&groups, V1).v1("memory"), None, "{path}");
        }
    }
}
