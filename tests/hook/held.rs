//! A container between create and start, without a runtime: a process in a mount namespace of its own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::hook_world::{Bundle, PREFIX, SOURCE};
use crate::support::host::PATIENCE;
use crate::support::test_dir::test_dir;

/// A container between create and start, as far as the hook can see.
#[derive(Debug)]
pub(crate) struct Held(Child);

impl Held {
    pub(crate) fn new() -> Self {
        // A new namespace has every mount of the old one, and must not hold on to what other tests have mounted.
        let others = format!(
            "while read -r _ _ _ _ path _; do case $path in '{}'*) umount -l \"$path\";; esac; done \
             </proc/self/mountinfo; exec sleep 1000",
            test_dir().join(PREFIX).display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &others]).stdin(Stdio::null());
        let held = Self(command.spawn().unwrap());
        let namespace = |who: &str| fs::metadata(format!("/proc/{who}/ns/mnt")).unwrap().ino();
        let ours = namespace("self");
        let pid = held.pid().to_string();
        // The shell becomes `sleep` when all that is done.
        let is_ready = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "sleep\n";
        let begin = Instant::now();
        while namespace(&pid) == ours || !is_ready() {
            assert!(begin.elapsed() < PATIENCE, "it has no mount namespace of its own");
            std::thread::sleep(Duration::from_micros(200));
        }
        held
    }

    /// One without a mount namespace of its own: it is in that of the calling thread.
    pub(crate) fn in_our_mounts() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The minidump directory as the container's process sees it, before it changes its root.
    pub(crate) fn directory(&self, bundle: &Bundle) -> PathBuf {
        let rootfs = bundle.rootfs();
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(rootfs.strip_prefix("/").unwrap()).join(SOURCE.trim_start_matches('/'))
    }

    /// Whether something is mounted on the minidump directory.
    pub(crate) fn has_directory(&self, bundle: &Bundle) -> bool {
        let point = bundle.rootfs().join(SOURCE.trim_start_matches('/'));
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.pid())).unwrap();
        mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|path| Path::new(path) == point)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
