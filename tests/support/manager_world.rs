//! A place of its own for one test: a runtime root, a state directory, logs, and bundles on a real root file system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oci_minidump::control::{ContainerId, Event, Manager, Settings, StartRequest, Subscription};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::TryRecvError;

use crate::support::cgroup_hugetlb::mount_what_crun_wants;
use crate::support::host_program::HostProgram;

/// Long enough for everything that ends at all.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// The programs in every root file system: names of one static busybox.
const PROGRAMS: [&str; 13] =
    ["cat", "echo", "env", "false", "kill", "ls", "pwd", "sh", "sleep", "test", "trap", "true", "yes"];

/// The world of one test.
pub(crate) struct ManagerWorld {
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
    name: String,
}

impl ManagerWorld {
    /// A new world; `name` is the test's and makes its container ids unique on the host.
    pub(crate) fn new(name: &str, runtime: &str) -> Self {
        mount_what_crun_wants();
        let program = Path::new(runtime).file_name().unwrap().display();
        let name = format!("{name}-{program}-{}", std::process::id());
        let dir = crate::support::test_dir::test_dir().join(format!("oci-minidump-control-{name}"));
        fs::create_dir(&dir).unwrap();
        let root = dir.join("rootfs");
        for sub in ["bin", "dev", "opt", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("the package busybox-static is needed");
        for program in PROGRAMS {
            symlink("busybox", root.join("bin").join(program)).unwrap();
        }
        let settings = Settings {
            runtime: runtime.into(),
            runtime_root: Some(dir.join("runtime")),
            state_dir: dir.join("state"),
            log_dir: dir.join("log"),
            stop_timeout: LONG,
            runtime_timeout: LONG,
            ..Settings::default()
        };
        Self { dir, settings, name }
    }

    /// An id that no other test has.
    pub(crate) fn id(&self, name: &str) -> ContainerId {
        format!("{name}-{}", self.name).parse().unwrap()
    }

    /// A manager of this world.
    pub(crate) async fn open(&self) -> Manager {
        Manager::open(self.settings.clone()).await.unwrap_or_else(|error| panic!("{}", error.report()))
    }

    /// A bundle that runs a shell script.
    pub(crate) fn script(&self, name: &str, script: &str) -> PathBuf {
        self.bundle(name, &["/bin/sh", "-c", script], |_| {})
    }

    /// A bundle that runs until it is told to stop. An init without a handler would never hear of it.
    pub(crate) fn sleeper(&self, name: &str) -> PathBuf {
        self.script(name, "trap 'exit 0' TERM; while :; do sleep 1000 & echo ready; wait; done")
    }

    /// A bundle that runs `args`, with `edit` applied to its configuration.
    pub(crate) fn bundle(&self, name: &str, args: &[&str], edit: impl FnOnce(&mut Value)) -> PathBuf {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).unwrap();
        let mut config = config(args);
        edit(&mut config);
        fs::write(dir.join("config.json"), config.to_string()).unwrap();
        dir
    }

    /// A plain start of a bundle, which must work.
    pub(crate) async fn start(&self, manager: &Manager, id: &ContainerId, bundle: &Path) -> i32 {
        let started = manager.start(StartRequest::new(id.clone(), bundle)).await;
        let descriptor =
            started.unwrap_or_else(|error| panic!("{}\n{}", error.report(), self.log(manager, id)));
        let config = fs::read_to_string(bundle.join("config.json")).unwrap();
        if config.contains("echo ready;") {
            until("the container is ready", || self.log(manager, id).contains("ready\n")).await;
        }
        descriptor
    }

    /// What a container said.
    pub(crate) fn log(&self, manager: &Manager, id: &ContainerId) -> String {
        String::from_utf8_lossy(&manager.logs(id.as_str(), None, u64::MAX).unwrap_or_default().bytes)
            .into_owned()
    }

    /// Calls the runtime itself, beside the manager.
    pub(crate) async fn runtime(&self, args: &[&str]) -> String {
        let root = self.settings.runtime_root.as_ref().unwrap().to_str().unwrap();
        let all = [&["--root", root], args].concat();
        let ended = HostProgram::start(self.settings.runtime.to_str().unwrap(), all).finish().await;
        assert_eq!(ended.code, 0, "{args:?}: {ended}");
        ended.stdout
    }

    /// Nothing may be left of any container, anywhere.
    pub(crate) async fn nothing_is_left(&self, manager: &Manager) {
        assert_eq!(manager.list(), [], "containers are left");
        assert_eq!(
            crate::support::state::kept(&self.settings.state_dir),
            [""; 0].map(PathBuf::from),
            "state is left"
        );
        let root = self.settings.runtime_root.as_ref().unwrap();
        assert_eq!(names(root), [""; 0], "the runtime has containers left");
        // The kernel may need a moment to let go of the processes in them.
        until("no cgroups are left", || self.cgroups().is_empty()).await;
    }

    /// The cgroups of this world's containers.
    fn cgroups(&self) -> Vec<PathBuf> {
        let controllers = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let groups = controllers.filter_map(|dir| fs::read_dir(dir.path()).ok()).flatten().flatten();
        groups.map(|group| group.path()).filter(|path| path.to_string_lossy().ends_with(&self.name)).collect()
    }
}

impl Drop for ManagerWorld {
    /// Also after a failure: no container, no mount and no file stays.
    fn drop(&mut self) {
        let root = self.settings.runtime_root.clone().unwrap();
        for id in names(&root) {
            // The reaper of a manager may get the exit status first; by then the program has ended all the same.
            let _status = std::process::Command::new(&self.settings.runtime)
                .args([
                    "--root".as_ref(),
                    root.as_os_str(),
                    "delete".as_ref(),
                    "--force".as_ref(),
                    id.as_ref(),
                ])
                .status();
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        if mounts.contains(&format!(" {}/", self.dir.display())) {
            eprintln!("{} is kept: something is mounted in it", self.dir.display());
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("{} cannot be removed: {error}", self.dir.display());
            assert!(std::thread::panicking(), "a world must go");
        }
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The next event that is not just a change of state, which must come.
pub(crate) async fn next(events: &mut Subscription) -> Event {
    loop {
        let event = tokio::time::timeout(LONG, events.recv()).await.expect("no event came").unwrap();
        if !matches!(event, Event::StateChanged { .. }) {
            return event;
        }
    }
}

/// Whether no event waits but changes of state.
pub(crate) fn is_quiet(events: &mut Subscription) -> bool {
    loop {
        match events.try_recv() {
            Ok(Event::StateChanged { .. }) => {}
            other => return matches!(other, Err(TryRecvError::Empty)),
        }
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + LONG;
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "still waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A small complete configuration.
fn config(args: &[&str]) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/bin", "COLOUR=red"],
            "cwd": "/",
            "noNewPrivileges": true
        },
        "root": {"path": "../rootfs"},
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}
            ],
            "resources": {"memory": {"limit": 67_108_864}, "pids": {"limit": 64}}
        },
        "x-vendor": {"kept": [1, 2.5, "three"]}
    })
}
