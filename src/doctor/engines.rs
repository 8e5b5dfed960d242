//! The runtimes and engines that are there, and whether each would call the hook.

use std::path::{Path, PathBuf};

use crate::doctor::finding::Finding;
use crate::engines::engine::Engine;
use crate::engines::tree::Tree;
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::settings::admin;

/// Runtimes, and what is to be known of each.
const RUNTIMES: [(&str, &str); 3] = [
    ("crun", "throws away what the hook writes to stderr: look into syslog"),
    ("runc", "shows what the hook writes to stderr when a start fails"),
    ("youki", "'run' without --detach may wait for ever (0.7.0); create and start work"),
];
/// Engines by the program that is there with each; crun is a runtime.
const PROGRAMS: [(Engine, &str); 5] = [
    (Engine::Podman, "podman"),
    (Engine::Crio, "crio"),
    (Engine::Containerd, "containerd"),
    (Engine::Docker, "dockerd"),
    (Engine::Lxc, "lxc-start"),
];

/// Every runtime and engine that is there, for a hook with the settings from the file `settings`.
#[must_use]
pub fn look(settings: &Path) -> Vec<Finding> {
    let mut findings: Vec<_> = runtimes().into_iter().map(|(name, path)| runtime(name, &path)).collect();
    if findings.is_empty() {
        findings.push(Finding::wrong("runtimes", "none of crun, runc and youki is there: install one"));
    }
    for engine in present() {
        findings.push(Finding::of(engine.name(), would_call(engine, settings)));
    }
    findings
}

/// The runtimes that are there.
pub(super) fn runtimes() -> Vec<(&'static str, PathBuf)> {
    let find = |name: &'static str| host::find_program(name, &[]).map(|path| (name, path));
    RUNTIMES.iter().filter_map(|(name, _)| find(name)).collect()
}

/// The engines that are there.
pub(super) fn present() -> impl Iterator<Item = Engine> {
    PROGRAMS
        .iter()
        .filter(|(_, program)| host::find_program(program, &[]).is_some())
        .map(|(engine, _)| *engine)
}

fn runtime(name: &str, path: &Path) -> Finding {
    if name == "crun" && lacks_hugetlb() {
        let text = "refuses this host: a controller of cgroup version 1 is not mounted; \
                    mkdir -p /sys/fs/cgroup/hugetlb && mount -t cgroup -o hugetlb hugetlb /sys/fs/cgroup/hugetlb";
        return Finding::wrong(name, text);
    }
    let quirk = RUNTIMES.iter().find(|(known, _)| *known == name).map_or("", |(_, quirk)| quirk);
    Finding::fine(name, format!("{}; {quirk}", path.display()))
}

/// crun wants every controller of cgroup version 1 that the kernel has where version 2 is not all there is.
fn lacks_hugetlb() -> bool {
    let groups = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let is_enabled = groups.lines().any(|line| line.starts_with("hugetlb\t") && line.ends_with("\t1"));
    let dir = Path::new("/sys/fs/cgroup");
    is_enabled && !dir.join("cgroup.controllers").exists() && !dir.join("hugetlb/cgroup.procs").exists()
}

/// Whether an engine would call the hook: whether `enable` would find nothing to do.
pub(super) fn would_call(engine: Engine, settings: &Path) -> Result<String> {
    let tree = Tree::open(None, Some(settings).filter(|path| *path != Path::new(admin::FILE)))?;
    let mut missing = Vec::new();
    for change in engine.changes(&tree, false)? {
        if change.is_needed()? {
            missing.push(change.path.display().to_string());
        }
    }
    if missing.is_empty() {
        return Ok(format!("calls the hook; {}", engine.usage(&tree)));
    }
    let what = format!("does not call {} yet ({})", tree.program().display(), missing.join(", "));
    Err(Error::new(ErrorKind::Config, what)
        .advise(format!("run 'oci-minidump-hook enable {}'", engine.name())))
}
