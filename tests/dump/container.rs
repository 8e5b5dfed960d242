//! A crun container whose root holds nothing but the program `crasher`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::programs::crasher;

/// A bundle and a directory for dumps on the host; both go when the test ends.
#[derive(Debug)]
pub(crate) struct Container {
    name: String,
    directory: PathBuf,
}

/// What crun makes or we make in a bundle, the deepest first.
const DIRECTORIES: [&str; 7] = [
    "bundle/rootfs/proc",
    "bundle/rootfs/dev",
    "bundle/rootfs/dumps",
    "bundle/rootfs",
    "bundle",
    "dumps",
    "run",
];

impl Container {
    /// `name` is unique within the test process.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("dump-{}-{name}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        for part in DIRECTORIES {
            fs::create_dir_all(directory.join(part)).unwrap();
        }
        fs::copy(crasher(), directory.join("bundle/rootfs/crasher")).unwrap();
        Self { name, directory }
    }

    /// Runs `crasher /dumps ACTION...` to its end.
    pub(crate) fn run(&self, uid: u32, actions: &[&str]) -> Output {
        mount_hugetlb();
        let dumps = self.directory.join("dumps");
        chown(&dumps, Some(uid), Some(uid)).unwrap();
        let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
        let arguments = [&["/crasher", "/dumps"], actions].concat();
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": uid},
                "args": arguments,
                "env": ["SECRET=of-the-container"],
                "cwd": "/",
            },
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/dumps", "type": "bind", "source": dumps, "options": ["bind", "rw"]},
            ],
            "linux": {"namespaces": namespaces},
        });
        fs::write(self.directory.join("bundle/config.json"), config.to_string()).unwrap();
        let mut crun = Command::new("crun");
        crun.arg("--root").arg(self.directory.join("run")).arg("run").arg("--bundle");
        crun.arg(self.directory.join("bundle")).arg(&self.name);
        crun.output().unwrap_or_else(|error| panic!("cannot run {crun:?}: {error}"))
    }

    /// The dumps on the host.
    pub(crate) fn dumps(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.join("dumps")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Container {
    /// Removes file by file what is known: whatever else lies there was not meant to, and stays to be seen.
    fn drop(&mut self) {
        let files = ["bundle/rootfs/crasher", "bundle/config.json"].map(|file| self.directory.join(file));
        for file in self.dumps().iter().chain(&files) {
            if let Err(error) = fs::remove_file(file) {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}: {error}", file.display());
            }
        }
        for directory in DIRECTORIES.map(|part| self.directory.join(part)).iter().chain([&self.directory]) {
            if let Err(error) = fs::remove_dir(directory)
                && !std::thread::panicking()
            {
                panic!("cannot remove {}: {error}", directory.display());
            }
        }
    }
}

/// crun refuses a host that has some controllers of cgroup v1 without this one.
fn mount_hugetlb() {
    let hugetlb = Path::new("/sys/fs/cgroup/hugetlb");
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() || hugetlb.exists() {
        return;
    }
    fs::create_dir_all(hugetlb).unwrap();
    let mount =
        Command::new("mount").args(["-t", "cgroup", "-o", "hugetlb", "hugetlb"]).arg(hugetlb).output();
    let mount = mount.unwrap();
    assert!(mount.status.success(), "cannot mount {}: {mount:?}", hugetlb.display());
}
