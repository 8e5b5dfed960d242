//! A temporary world: bundles, a destination, a runtime with its own state, and the real hook binary.
//!
//! A world ends clean: containers deleted, and no mount, loop device, cgroup, image, record or temporary file left. A
//! test that leaves something fails.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::support::host::{command, files_in, hook_program, mounts_below, wait_until};
use crate::support::hugetlb::mount_what_crun_wants;
use crate::support::programs::{crasher, without};
use crate::support::run::Run;
use crate::support::test_dir::test_dir;

/// Where containers of every test mount their minidump directory.
pub(crate) const SOURCE: &str = "/opt/minidumps";

/// A path below a world that is longer than 120 bytes, with blanks and without ASCII. Wherever a person may put something,
/// it works there.
pub(crate) const AWKWARD: &str =
    "a b/k\u{e4}se/a directory whose name is so long that the whole path has more than 120 bytes/it's here";

/// What the name of the directory of every world begins with.
pub(crate) const PREFIX: &str = "oci-minidump-";

/// A temporary directory with everything a test needs.
#[derive(Debug)]
pub(crate) struct HookWorld {
    pub(crate) dir: PathBuf,
    runtime: &'static str,
    name: String,
    containers: std::sync::Mutex<Vec<String>>,
    /// What stands in front of the hook's command line.
    launcher: String,
    /// What a container that runs has on the host.
    expected: std::sync::Mutex<Vec<String>>,
}

/// A bundle of a world.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(crate) dir: PathBuf,
}

impl HookWorld {
    pub(crate) fn new(runtime: &'static str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        mount_what_crun_wants();
        let name = format!("w{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = test_dir().join(format!("{PREFIX}{name}"));
        for part in ["runtime", "records", "images"] {
            fs::create_dir_all(dir.join(part)).unwrap();
        }
        let world = Self {
            dir,
            runtime,
            name,
            containers: Vec::default().into(),
            launcher: String::new(),
            expected: Vec::default().into(),
        };
        world.settings("");
        world
    }

    /// The same world on a kernel that seems to lack the system calls `missing` (see `examples/without.rs`).
    pub(crate) fn without(mut self, missing: &str) -> Self {
        self.launcher = format!("'{}' {missing} ", without().display());
        self
    }

    /// A path in the world.
    pub(crate) fn path(&self, part: impl AsRef<Path>) -> PathBuf {
        self.dir.join(part)
    }

    /// The directory into which dumps go.
    pub(crate) fn dumps_dir(&self) -> PathBuf {
        self.path("dumps")
    }

    /// Sets the administrator's settings; records always stay in the world.
    pub(crate) fn settings(&self, more: &str) {
        let text = format!(
            "state_dir = {:?}\nknown_dirs = {:?}\nimage_dir = {:?}\nhost_destination = {:?}\n{more}",
            self.path("records"),
            self.path("image-dirs"),
            self.path("images"),
            self.dumps_dir()
        );
        fs::write(self.path("settings.toml"), text).unwrap();
    }

    /// A bundle whose program is `crasher /opt/minidumps ACTION...`, with our hooks and one minidump path.
    pub(crate) fn bundle(&self, name: &str, actions: &[&str]) -> Bundle {
        let bundle = Bundle { dir: self.path(name) };
        fs::create_dir_all(bundle.rootfs().join("proc")).unwrap();
        fs::create_dir_all(bundle.rootfs().join("dev")).unwrap();
        fs::hard_link(crasher(), bundle.rootfs().join("crasher"))
            .or_else(|_| fs::copy(crasher(), bundle.rootfs().join("crasher")).map(drop))
            .unwrap();
        let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
        let arguments = [&["/crasher", SOURCE], actions].concat();
        bundle.write(&json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": arguments,
                // youki wants a PATH.
                "env": ["SECRET=of-the-container", "PATH=/"],
                "cwd": "/",
            },
            "root": {"path": "rootfs"},
            "hooks": {
                "prestart": [self.hook_entry("prestart")],
                "poststop": [self.hook_entry("poststop")],
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            ],
            "linux": {"namespaces": namespaces},
            "rdkPlugins": {"minidump": {"required": true, "data": {"paths": [self.entry(name)]}}},
        }));
        bundle
    }

    /// An item of `paths`: the image is named after the bundle.
    pub(crate) fn entry(&self, name: &str) -> Value {
        json!({
            "image": self.image(name),
            "containerSource": SOURCE,
            "hostDestination": self.dumps_dir(),
        })
    }

    /// The image of the bundle `name`.
    pub(crate) fn image(&self, name: &str) -> PathBuf {
        self.path("images").join(format!("{name}.img"))
    }

    /// An entry of `hooks`. crun throws a hook's stderr away, so a shell keeps it in the world's log.
    pub(crate) fn hook_entry(&self, stage: &str) -> Value {
        let command = format!(
            "exec {}\"$0\" --settings '{}' {stage} 2>>'{}'",
            self.launcher,
            self.path("settings.toml").display(),
            self.log_path().display()
        );
        json!({"path": "/bin/sh", "args": ["sh", "-c", command, hook_program()], "timeout": 60})
    }

    fn log_path(&self) -> PathBuf {
        self.path("hook.log")
    }

    /// What the hooks said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A container id that no other test has.
    pub(crate) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// The runtime with `arguments`; its state lies in the world.
    pub(crate) fn runtime(&self, arguments: &[&OsStr]) -> Command {
        let mut command = Command::new(self.runtime);
        command.arg("--root").arg(self.path("runtime")).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a container to its end and gives the runtime's output.
    pub(crate) fn run(&self, bundle: &Bundle, name: &str) -> Run {
        self.create_with("run", bundle, name)
    }

    /// Creates a container, without starting its program.
    pub(crate) fn create(&self, bundle: &Bundle, name: &str) -> Run {
        self.create_with("create", bundle, name)
    }

    /// Makes sure that the container is deleted in the end.
    pub(crate) fn created(&self, name: &str) {
        self.containers.lock().unwrap().push(name.to_owned());
    }

    fn create_with(&self, verb: &str, bundle: &Bundle, name: &str) -> Run {
        self.created(name);
        let id = self.id(name);
        self.finish(self.runtime(&[verb.as_ref(), "--bundle".as_ref(), bundle.dir.as_ref(), id.as_ref()]))
    }

    /// A verb of the runtime for a container: start, kill ID KILL, delete.
    pub(crate) fn control(&self, verb: &[&str], name: &str, after: &[&str]) -> Run {
        let id = self.id(name);
        let words: Vec<&OsStr> = verb
            .iter()
            .map(OsStr::new)
            .chain([OsStr::new(&id)])
            .chain(after.iter().map(OsStr::new))
            .collect();
        self.finish(self.runtime(&words))
    }

    /// The hook with `arguments`, as a person runs it.
    pub(crate) fn hook(&self, arguments: &[&str]) -> Run {
        self.hook_with_input(arguments, "")
    }

    /// The hook with `arguments` and `input` on stdin, as a runtime runs it.
    pub(crate) fn hook_with_input(&self, arguments: &[&str], input: &str) -> Run {
        let mut command = Command::new(hook_program());
        command.arg("--settings").arg(self.path("settings.toml")).args(arguments).current_dir(&self.dir);
        self.feed(command, input)
    }

    /// The OCI state of a container that is gone.
    pub(crate) fn stopped_state(&self, bundle: &Bundle, name: &str) -> String {
        json!({"ociVersion": "1.0.2", "id": self.id(name), "status": "stopped", "bundle": bundle.dir})
            .to_string()
    }

    fn finish(&self, command: Command) -> Run {
        self.feed(command, "")
    }

    pub(crate) fn feed(&self, mut command: Command, input: &str) -> Run {
        // Files, not pipes: a container that lives on would hold a pipe open.
        let (out, err) = (self.scratch("out"), self.scratch("err"));
        command.stdin(Stdio::piped());
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        // Whoever does not read its input closes it early.
        let _closed = child.stdin.take().unwrap().write_all(input.as_bytes());
        let status = child.wait().unwrap();
        let output = Output { status, stdout: fs::read(&out).unwrap(), stderr: fs::read(&err).unwrap() };
        fs::remove_file(out).unwrap();
        fs::remove_file(err).unwrap();
        Run { command: format!("{command:?}"), output, log: self.log() }
    }

    fn scratch(&self, kind: &str) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        self.path(format!("{kind}-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The dumps in the world's destination, sorted by name.
    pub(crate) fn dumps(&self) -> Vec<PathBuf> {
        files_in(&self.dumps_dir())
    }

    /// The one dump there must be.
    pub(crate) fn dump(&self) -> PathBuf {
        let dumps = self.dumps();
        assert_eq!(dumps.len(), 1, "{dumps:?}\n{}", self.log());
        dumps.into_iter().next().unwrap()
    }

    /// Mounts an image while `work` runs, where only its thread sees it: a container that is created at the same moment
    /// would take a copy of a mount of the host's with it, and keep the image mounted.
    pub(crate) fn with_mounted(&self, image: &Path, work: impl FnOnce(&Path) + Send) {
        let point = self.path("mounted");
        fs::create_dir_all(&point).unwrap();
        self.in_own_namespace(|| {
            command("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), point.as_ref()]);
            work(&point);
            // A program that another test is just starting has a copy of our open files for a moment.
            wait_until(|| Command::new("umount").arg(&point).output().unwrap().status.success());
        });
        wait_until(|| self.leaks().is_empty());
    }

    /// Does `work` in a mount namespace of its own, which holds on to nothing that other tests have mounted.
    pub(crate) fn in_own_namespace<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        use nix::sched::{CloneFlags, unshare};

        let isolated = || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
            command("mount", &["--make-rprivate".as_ref(), "/".as_ref()]);
            let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
            let worlds = test_dir().join(PREFIX).display().to_string();
            let is_of_another = |point: &&Path| {
                point.to_str().is_some_and(|text| text.starts_with(&worlds)) && !point.starts_with(&self.dir)
            };
            for point in points.filter(is_of_another) {
                // It may be gone with the one that it was in.
                let _gone = Command::new("umount").arg("--lazy").arg(point).output();
            }
            work()
        };
        std::thread::scope(|scope| scope.spawn(isolated).join()).unwrap()
    }

    /// What must not be left: mounts and loop devices of this world.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let mut leaks = mounts_below(&self.dir)
            .iter()
            .map(|path| format!("mount {}", path.display()))
            .collect::<Vec<_>>();
        for entry in fs::read_dir("/sys/block").unwrap().flatten() {
            let backing = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
            if Path::new(backing.trim()).starts_with(&self.dir) {
                leaks.push(format!("loop device {:?} of {}", entry.file_name(), backing.trim()));
            }
        }
        let expected = self.expected.lock().unwrap();
        leaks.retain(|what| !expected.contains(what));
        leaks
    }

    /// What is left when the kernel had time to detach loop devices, a moment after their last users were gone.
    pub(crate) fn settle(&self) -> Vec<String> {
        for _ in 0..5000 {
            if !self.leaks().iter().any(|what| what.starts_with("loop device")) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.remains()
    }

    /// What there is now belongs to a container that goes on running.
    pub(crate) fn expect_remains(&self) {
        let remains = self.remains();
        self.expected.lock().unwrap().extend(remains);
    }

    /// That container is about to end.
    pub(crate) fn expect_nothing(&self) {
        self.expected.lock().unwrap().clear();
    }

    /// Everything that a world must be rid of at its end.
    fn remains(&self) -> Vec<String> {
        let mut remains = self.leaks();
        for part in ["records", "images"] {
            remains.extend(files_in(&self.path(part)).iter().map(|path| path.display().to_string()));
        }
        let hidden = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with('.');
        remains
            .extend(self.dumps().iter().filter(|path| hidden(path)).map(|path| path.display().to_string()));
        let expected = self.expected.lock().unwrap();
        remains.retain(|what| !expected.contains(what));
        remains
    }
}

impl Bundle {
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.dir.join("rootfs")
    }

    pub(crate) fn config(&self) -> Value {
        serde_json::from_slice(&fs::read(self.dir.join("config.json")).unwrap()).unwrap()
    }

    pub(crate) fn write(&self, config: &Value) {
        fs::write(self.dir.join("config.json"), config.to_string()).unwrap();
    }

    /// Changes the configuration.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.config();
        change(&mut config);
        self.write(&config);
    }

    /// Sets what stands in `rdkPlugins.minidump.data.paths`.
    pub(crate) fn set_paths(&self, paths: &Value) {
        self.edit(|config| config["rdkPlugins"]["minidump"]["data"]["paths"] = paths.clone());
    }

    pub(crate) fn set_required(&self, required: bool) {
        self.edit(|config| config["rdkPlugins"]["minidump"]["required"] = json!(required));
    }
}

impl Drop for HookWorld {
    fn drop(&mut self) {
        for name in self.containers.lock().unwrap().iter() {
            // Most are deleted by now.
            let _gone = self.control(&["delete", "--force"], name, &[]);
        }
        let remains = self.settle();
        for path in mounts_below(&self.dir).iter().rev() {
            let _gone = Command::new("umount").arg("--lazy").arg(path).output();
        }
        if mounts_below(&self.dir).is_empty() {
            fs::remove_dir_all(&self.dir).unwrap();
        }
        if !std::thread::panicking() {
            assert!(remains.is_empty(), "left behind: {remains:?}");
        }
    }
}
