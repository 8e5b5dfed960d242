//! What this host needs before crun works.

use std::fs;
use std::path::Path;
use std::sync::Once;

/// crun refuses a host of cgroup version 1 whose hugetlb controller is not mounted.
pub(crate) fn mount_what_crun_wants() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let dir = "/sys/fs/cgroup/hugetlb";
        let mounts = fs::read("/proc/self/mountinfo").unwrap();
        let mounts = String::from_utf8_lossy(&mounts);
        let groups = fs::read_to_string("/proc/cgroups").unwrap_or_default();
        let wanted = groups.contains("hugetlb") && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        if wanted && !mounts.contains(dir) {
            fs::create_dir_all(dir).unwrap();
            let (kind, options) = (Some("cgroup"), Some("hugetlb"));
            match nix::mount::mount(kind, dir, kind, nix::mount::MsFlags::empty(), options) {
                // Another test process mounted it at the same moment.
                Ok(()) | Err(nix::Error::EBUSY) => {}
                Err(error) => panic!("cannot mount {dir}: {error}"),
            }
        }
    });
}
