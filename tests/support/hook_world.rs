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

use serde_json::json;

use crate::support::cgroup_hugetlb::mount_what_crun_wants;
use crate::support::host::{files_in, hook_program, unmount_below};
use crate::support::programs::kernel_without;
use crate::support::run::Run;
use crate::support::test_dir::test_dir;

pub(crate) use self::bundle::Bundle;

mod bundle;
mod remains;

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

    /// The same world on a kernel that seems to lack the system calls `missing` (see `examples/kernel_without.rs`).
    pub(crate) fn without(mut self, missing: &str) -> Self {
        self.launcher = format!("'{}' {missing} ", kernel_without().display());
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

    /// The file system for images in memory.
    pub(crate) fn memory_dir(&self) -> PathBuf {
        self.path("records/memory")
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
}

impl HookWorld {
    /// Removes the world's directory. The clean-up that podman leaves to conmon may mount its storage once more in between.
    fn remove(&self) {
        for attempt in 0..200 {
            if !unmount_below(&self.dir) {
                // What is mounted there is not removed: the test says what is left.
                return;
            }
            match fs::remove_dir_all(&self.dir) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy && attempt < 199 => {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                removed => return removed.unwrap_or_else(|error| panic!("{}: {error}", self.dir.display())),
            }
        }
    }
}

impl Drop for HookWorld {
    fn drop(&mut self) {
        for name in self.containers.lock().unwrap().iter() {
            // Most are deleted by now.
            let _gone = self.control(&["delete", "--force"], name, &[]);
        }
        let remains = self.settle();
        self.remove();
        if !std::thread::panicking() {
            assert!(remains.is_empty(), "left behind: {remains:?}");
        }
    }
}
