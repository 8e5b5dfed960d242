//! The daemon, its directories, and the bundles.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::host::daemon_program;

/// What containers do. A shell without a trap hears of no SIGTERM, as first process of its namespace.
pub(crate) const SCRIPTS: [(&str, &str); 7] = [
    ("sleeps", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"),
    ("ends", "sleep 0.05; exit 3"),
    ("crashes", "kill -SEGV $$; sleep 0.1; exit 139"),
    ("is-stubborn", "trap '' TERM; while :; do sleep 1; done"),
    (
        "talks",
        "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i and what it says is said at length; done; sleep 1000",
    ),
    ("breeds", "for i in 1 2 3 4 5; do sleep 1000 & done; sleep 0.2; trap 'exit 1' TERM; wait"),
    ("dumps", "cat /dump > /opt/minidumps/of-$NAME.dmp; sleep 0.1; exit 6"),
];

/// Where it all happens.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) ids: Vec<String>,
    daemon: Mutex<Option<Child>>,
    /// When the last one was started.
    started: Mutex<SystemTime>,
}

impl Place {
    /// A daemon, and bundles for `containers` ids.
    pub(crate) fn new(containers: usize) -> Self {
        crate::support::cgroup_hugetlb::mount_what_crun_wants();
        let place = crate::support::test_dir::test_dir();
        let dir = tempfile::Builder::new().prefix("ocicontainer-soak-").tempdir_in(place).unwrap();
        let ids = (0..containers).map(|n| format!("soak{}-{n}", std::process::id())).collect();
        let place = Self { dir, ids, daemon: Mutex::default(), started: Mutex::new(SystemTime::now()) };
        place.make_rootfs();
        crate::support::hook_wrapper::make(place.dir.path(), "");
        for id in &place.ids {
            for (name, script) in SCRIPTS {
                place.make_bundle(id, name, script);
            }
        }
        place.replace_program();
        place.start();
        place
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    /// The bundle of a container that does what `name` says.
    pub(crate) fn bundle(&self, id: &str, name: &str) -> PathBuf {
        self.path("bundles").join(format!("{id}-{name}"))
    }

    /// The daemon's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.lock().unwrap().as_ref().expect("a daemon").id()
    }

    /// When the last daemon was started.
    pub(crate) fn started(&self) -> SystemTime {
        *self.started.lock().unwrap()
    }

    /// Starts the daemon.
    pub(crate) fn start(&self) {
        let log = fs::File::options().create(true).append(true).open(self.path("daemon.log")).unwrap();
        let mut command = Command::new(self.path("ocicontainer"));
        command.args(["serve", "--no-tcp", "--stop-timeout", "1", "--log-limit", "60000"]);
        crate::support::hook_wrapper::live_in(&mut command, &self.path(""));
        command.stdin(Stdio::null()).stderr(log);
        *self.started.lock().unwrap() = SystemTime::now();
        *self.daemon.lock().unwrap() = Some(command.spawn().unwrap());
    }

    /// Ends the daemon.
    pub(crate) fn end(&self, signal: Signal) {
        let mut daemon = self.daemon.lock().unwrap().take().expect("a daemon");
        kill_process(Pid::from_child(&daemon), signal).unwrap();
        let status = daemon.wait().unwrap();
        assert!(signal == Signal::KILL || status.success(), "{status}\n{}", self.log_end());
    }

    /// Puts another copy of the program in the place of the one there is.
    pub(crate) fn replace_program(&self) {
        fs::copy(daemon_program(), self.path("ocicontainer.new")).unwrap();
        fs::rename(self.path("ocicontainer.new"), self.path("ocicontainer")).unwrap();
    }

    /// The runtime itself, beside the daemon.
    pub(crate) fn runtime(&self, arguments: &[&str]) -> std::process::Output {
        Command::new("crun").arg("--root").arg(self.path("runtime")).args(arguments).output().unwrap()
    }

    /// The end of the daemon's log.
    pub(crate) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.path("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The last that the daemon logged about a container, and when it went.
    pub(crate) fn log_about(&self, id: &str) -> String {
        let log = fs::read_to_string(self.path("daemon.log")).unwrap_or_default();
        let (id, spaced) = (format!("{id:?}"), format!("container {id} "));
        let about = log
            .lines()
            .rev()
            .filter(|line| line.contains(&id) || line.contains(&spaced) || line.contains("answering on"));
        let mut lines: Vec<_> = about.take(25).map(|line| format!("  {line}\n")).collect();
        lines.reverse();
        lines.concat()
    }

    fn make_rootfs(&self) {
        let root = self.path("rootfs");
        for dir in ["bin", "proc", "dev", "sys", "tmp", "opt/minidumps"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("a static /bin/busybox (busybox-static)");
        for name in ["sh", "sleep", "echo", "cat", "kill", "true"] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        fs::copy(sample(), root.join("dump")).unwrap();
    }

    fn make_bundle(&self, id: &str, name: &str, script: &str) {
        let dir = self.bundle(id, name);
        fs::create_dir_all(&dir).unwrap();
        let mount = |target: &str, kind: &str| json!({"destination": target, "type": kind, "source": kind});
        let namespaces: Vec<Value> = ["pid", "ipc", "uts", "mount"].map(|kind| json!({"type": kind})).into();
        let mut config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/bin/sh", "-c", script],
                "env": ["PATH=/bin", format!("NAME={id}")],
                "cwd": "/",
            },
            "root": {"path": self.path("rootfs")},
            "mounts": [mount("/proc", "proc"), mount("/dev", "tmpfs"), mount("/tmp", "tmpfs")],
            "linux": {"namespaces": namespaces},
        });
        if name == "dumps" {
            let image = self.path("images").join(format!("{id}.img"));
            let path = json!({"image": image, "containerSource": "/opt/minidumps",
                "hostDestination": self.path("dumps"), "imgsize": 2 << 20});
            config["rdkPlugins"] = json!({"minidump": {"required": true, "data": {"paths": [path]}}});
        }
        fs::write(dir.join("config.json"), config.to_string()).unwrap();
    }
}

/// A whole minidump.
pub(crate) fn sample() -> PathBuf {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/minidumps");
    let paths = fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path());
    let dumps = paths.filter(|path| path.extension().is_some_and(|extension| extension == "dmp"));
    dumps.min().expect("there are sample dumps")
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.daemon.lock().is_ok_and(|daemon| daemon.is_some()) {
            self.end(Signal::TERM);
        }
        for id in &self.ids {
            self.runtime(&["delete", "--force", id]);
        }
    }
}
