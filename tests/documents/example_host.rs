//! A host on which the examples of the documents run, line by line: with the bundle that they speak of, the programs in PATH,
//! and empty directories where they write.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::binaries::{HOOK, OCICONTAINER, STACK};
use crate::support::programs::crasher;
use crate::support::test_dir::test_dir;

/// The container id that the documents use. Cgroups are named after it, so each test has another one.
const ID: &str = "my-app-1";
/// What separates the lines in the output.
const MARK: &str = "@@";
/// The host: no network but loopback, and empty directories where programs keep what is theirs.
const PROLOGUE: &str = "\
ip link set lo up
for dir in /run /opt /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs $dir || exit 99; done
cd \"$WORLD\" || exit 99
";
/// What must be gone at the end.
const EPILOGUE: &str = "\
find /run/oci-minidump /var/lib/oci-minidump/images -type f 2>/dev/null
crun list --quiet
";

/// A directory with everything that the examples speak of.
pub(crate) struct ExampleHost(TempDir);

/// What a line of an example did.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) output: String,
    pub(crate) status: i32,
}

impl ExampleHost {
    pub(crate) fn new() -> Self {
        crate::support::cgroup_hugetlb::mount_what_crun_wants();
        let mode = PermissionsExt::from_mode(0o755);
        let dir = tempfile::Builder::new()
            .prefix("oci-minidump-x")
            .permissions(mode)
            .tempdir_in(test_dir())
            .unwrap();
        let world = Self(dir);
        fs::create_dir(world.path("bin")).unwrap();
        for (program, name) in
            [(HOOK, "oci-minidump-hook"), (STACK, "oci-minidump-stack"), (OCICONTAINER, "ocicontainer")]
        {
            let path = world.path("bin").join(name);
            fs::hard_link(program, &path).or_else(|_| fs::copy(program, &path).map(drop)).unwrap();
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The bundle `my-app`, whose program crashes.
    pub(crate) fn make_bundle(&self) {
        let rootfs = self.path("my-app/rootfs");
        fs::create_dir_all(rootfs.join("proc")).unwrap();
        fs::create_dir(rootfs.join("dev")).unwrap();
        fs::copy(crasher(), rootfs.join("app")).unwrap();
        let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({"type": kind}));
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["/app", "/opt/minidumps", "segv"],
                        "env": ["PATH=/bin"], "cwd": "/"},
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            ],
            "linux": {"namespaces": namespaces},
        });
        fs::write(self.path("my-app/config.json"), config.to_string()).unwrap();
    }

    /// Runs `lines` after `preparation`, and gives what each of them did. Lines after a comment about one terminal go on
    /// beside those after the next comment.
    pub(crate) fn run(&self, preparation: &str, lines: &[String]) -> Vec<Line> {
        let mut script = format!("{PROLOGUE}{preparation}\n");
        let mut is_background = false;
        for line in lines {
            let line = line.replace(ID, &self.id());
            if line.starts_with('#') {
                is_background = line.contains("one terminal");
            } else if is_background {
                writeln!(script, "{line} 2>daemon.log & daemon=$!").unwrap();
                writeln!(
                    script,
                    "until grep -q 'answering on http' daemon.log; do kill -0 $daemon || exit 99; done"
                )
                .unwrap();
            } else {
                // The text may have quotes of its own.
                writeln!(script, "cat <<'{MARK}'\n{MARK} {line}\n{MARK}\n{line}\necho \"{MARK}= $?\"")
                    .unwrap();
            }
        }
        script.push_str("[ -z \"$daemon\" ] || { kill $daemon; wait $daemon || echo \"the daemon: $?\"; }\n");
        script.push_str(EPILOGUE);
        let output = self.command(&script).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = fs::read_to_string(self.path("daemon.log")).unwrap_or_default();
        assert!(output.status.success(), "{}\n{out}\n{err}\n{log}", output.status);
        let (lines, rest) = taken_apart(&out);
        assert!(rest.trim().is_empty(), "left behind: {rest}\n{lines:#?}\n{err}\n{log}");
        println!("{err}{log}");
        lines
    }

    /// The script where it can leave nothing: processes, mounts and sockets go with it.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command.args(["bash", "-c", script]).env("WORLD", self.0.path());
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        for (name, file) in
            [("CONTAINERS_CONF", "containers.conf"), ("CONTAINERS_STORAGE_CONF", "storage.conf")]
        {
            command.env(name, self.path(file));
        }
        command
    }

    pub(crate) fn id(&self) -> String {
        self.0.path().file_name().unwrap().to_string_lossy().into_owned()
    }
}

/// What each line did, from the output of a script, and what came after the last one.
fn taken_apart(output: &str) -> (Vec<Line>, String) {
    let mut lines = Vec::new();
    let mut rest = output;
    while let Some((_, after)) = rest.split_once(&format!("{MARK} ")) {
        let (text, after) = after.split_once('\n').unwrap();
        let (output, after) = after.split_once(&format!("{MARK}= ")).unwrap();
        let (status, after) = after.split_once('\n').unwrap();
        lines.push(Line {
            text: text.to_owned(),
            output: output.to_owned(),
            status: status.parse().unwrap(),
        });
        rest = after;
    }
    (lines, rest.to_owned())
}

#[test]
fn the_output_of_a_script_is_taken_apart() {
    let (lines, rest) = taken_apart("x\n@@ a 'b'\nout\n@@= 3\n@@ c\n@@= 0\nrest\n");
    assert_eq!(
        lines.iter().map(|line| (line.text.as_str(), line.status)).collect::<Vec<_>>(),
        [("a 'b'", 3), ("c", 0)]
    );
    assert_eq!((lines[0].output.as_str(), rest.as_str()), ("out\n", "rest\n"));
}
