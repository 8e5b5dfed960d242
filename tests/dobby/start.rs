//! Converted specs, started by real runtimes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use oci_minidump::dobby::{self, Host, convert};
use serde_json::{Value, json};

use crate::examples::tempdir;
use crate::specs::with;
use crate::support::cgroup_hugetlb::mount_what_crun_wants;

/// Settings with a device that exists everywhere, and groups that are all mapped in different ways.
const SETTINGS: &str = r#"{"gpu": {"devNodes": ["/dev/loop-contro?"], "groupIds": [44, 1003, 5],
    "extraMounts": [{"source": "/sys/class", "destination": "/gpu", "type": "bind", "options": ["rbind", "ro"]}]}}"#;

/// The bundle of one container, and a runtime with its own state.
struct Container {
    dir: PathBuf,
    runtime: &'static str,
    id: String,
}

impl Container {
    fn new(name: &str, runtime: &'static str, spec: &Value) -> Self {
        mount_what_crun_wants();
        let id = format!("dobby-{name}-{runtime}-{}", std::process::id());
        let dir = tempdir(&format!("{name}-{runtime}"));
        let settings = dir.join("dobby.json");
        fs::write(&settings, SETTINGS).unwrap();
        let (host, _) = Host::detect(&settings).unwrap_or_else(|error| panic!("{}", error.report()));
        let mut conversion = convert(spec, &host).unwrap_or_else(|error| panic!("{}", error.report()));
        conversion.for_container(&id, &host);
        conversion.write(&dir.join("bundle")).unwrap();
        Self { dir, runtime, id }
    }

    fn call(&self, args: &[&str]) -> Output {
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let mut command = Command::new(self.runtime);
        command.arg("--root").arg(self.dir.join("runtime")).args(args).arg(&self.id);
        // Nothing of the host's: crun gives what it gets to the container's user, /dev/null too.
        command.stdin(Stdio::piped()).stderr(log);
        // The program of a detached container keeps its standard output.
        let detached = args.contains(&"--detach");
        let kept = || fs::File::create(self.dir.join("out")).unwrap().into();
        command.stdout(if detached { kept() } else { Stdio::piped() });
        let output = command.output().unwrap();
        let log = fs::read_to_string(self.dir.join("log")).unwrap();
        let failed = format!("{command:?}: {}\n{log}", output.status);
        assert!(output.status.success(), "{failed}");
        output
    }

    /// Runs the container to its end; what it said.
    fn run(&self) -> String {
        let output = self.call(&["run", "--bundle", self.dir.join("bundle").to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the container; the process id of its program.
    fn start(&self) -> u32 {
        self.call(&["run", "--detach", "--bundle", self.dir.join("bundle").to_str().unwrap()]);
        let state: Value = serde_json::from_slice(&self.call(&["state"]).stdout).unwrap();
        u32::try_from(state["pid"].as_u64().unwrap()).unwrap()
    }

    /// Ends what is left; nothing may stay.
    fn end(self) {
        if self.dir.join("runtime").join(&self.id).exists() {
            self.call(&["delete", "--force"]);
        }
        dobby::remove(&self.dir.join("bundle")).unwrap_or_else(|error| panic!("{}", error.report()));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() && self.dir.join("runtime").join(&self.id).exists() {
            let mut command = Command::new(self.runtime);
            command.arg("--root").arg(self.dir.join("runtime")).args(["delete", "--force", &self.id]);
            eprintln!("{:?}: {:?}", self.id, command.status());
        }
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        if mounts.contains(&format!(" {}/", self.dir.display())) {
            eprintln!("{} is kept: something is mounted in it", self.dir.display());
        } else {
            fs::remove_dir_all(&self.dir).unwrap();
        }
    }
}

/// The cgroups of a process, as /proc/PID/cgroup tells (cgroups(7)).
pub(crate) fn cgroups(pid: u32) -> Vec<PathBuf> {
    let lines = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let dirs = lines.lines().map(|line| {
        let (controller, path) = line.split_once(':').unwrap().1.split_once(':').unwrap();
        let unified = if Path::new("/sys/fs/cgroup/unified").exists() { "unified" } else { "" };
        let dir = if controller.is_empty() { unified } else { controller.trim_start_matches("name=") };
        PathBuf::from(format!("/sys/fs/cgroup/{dir}{path}"))
    });
    let dirs: Vec<_> = dirs.collect();
    assert!(dirs.iter().all(|dir| dir.exists()), "{dirs:?}");
    dirs
}

/// A number from the memory cgroup, by its file in version 1 or 2.
pub(crate) fn memory(cgroups: &[PathBuf], v1: &str, v2: &str) -> String {
    let files = cgroups.iter().flat_map(|dir| [dir.join(v1), dir.join(v2)]);
    let found = files.filter_map(|file| fs::read_to_string(file).ok()).next();
    found.unwrap_or_else(|| panic!("no {v1} in {cgroups:?}")).trim().to_owned()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// The request of the example that everybody tries first, as it stands in the API's documentation.
pub(crate) const SLEEP_TEST: &str = include_str!("../data/start-from-spec.json");

/// The spec in it.
pub(crate) fn sleep_test() -> Value {
    let mut request: Value = serde_json::from_str(SLEEP_TEST).unwrap();
    request["params"]["dobbySpec"].take()
}

#[test]
fn sleep_test_runs_with_its_limits() {
    for runtime in ["crun", "runc"] {
        let container = Container::new("sleep", runtime, &sleep_test());
        let pid = container.start();
        let proc = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
        let text = |file: &str| String::from_utf8(proc(file)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while proc("cmdline") != b"sleep\x0060\0" {
            assert!(Instant::now() < deadline, "{:?}", text("cmdline"));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(words(&text("uid_map")), ["0", "1000", "1"], "{runtime}");
        assert_eq!(words(&text("gid_map")), ["0", "1000", "10"], "{runtime}");
        let status = text("status");
        let line = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            words(line).join(" ")
        };
        assert_eq!(line("Uid:"), "1000 1000 1000 1000");
        assert_eq!(line("CapBnd:"), "0000000020000420");
        assert_eq!(line("NoNewPrivs:"), "1");
        let groups = cgroups(pid);
        assert_eq!(memory(&groups, "memory.limit_in_bytes", "memory.max"), "41943040");
        let swap = memory(&groups, "memory.memsw.limit_in_bytes", "memory.swap.max");
        assert!(swap == "max" || swap.parse::<u64>().unwrap() > 1 << 40, "{swap}");
        let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        assert_ne!(network(&pid.to_string()), network("self"), "the container has the host's network");
        container.end();
        assert!(groups.iter().all(|group| !group.exists()), "cgroups are left: {groups:?}");
    }
}

#[test]
fn a_container_sees_what_its_spec_says() {
    let script = "id -u; id -g; pwd; echo $WORD; hostname; cat /etc/hosts; cat /data/file; \
        touch /data/x 2>/dev/null || echo read-only; ls /sys/class/net; touch /x 2>/dev/null || echo sealed; \
        chmod 600 /tmp 2>/dev/null || echo filtered";
    let source = tempdir("source");
    fs::write(source.join("file"), "hello\n").unwrap();
    let fields = json!({
        "args": ["sh", "-c", script],
        "cwd": "home/private",
        "env": ["WORD=\"quoted\"\ttab"],
        "etc": {"hosts": ["127.0.0.1 localhost"]},
        "swapLimit": 83_886_080,
        "cpu": {"shares": 50, "cores": "0"},
        "network": null,
        "capabilities": ["CAP_NET_RAW"],
        "devices": [{"major": 13, "minor": 64, "access": "rw"}],
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": {"action": "SCMP_ACT_ERRNO", "names": ["chmod", "fchmodat", "fchmod"]}},
        "mounts": [{"source": source, "destination": "/data", "type": "bind", "options": ["bind", "ro"]}]
    });
    for (runtime, user_ns, id) in
        [("crun", json!(true), "0"), ("runc", json!(true), "0"), ("crun", json!(false), "1000")]
    {
        let mut spec = with(&fields);
        spec["userNs"] = user_ns;
        let container = Container::new(&format!("sees-{id}"), runtime, &spec);
        let expected = [
            id,
            id,
            "/home/private",
            "\"quoted\" tab",
            &container.id,
            "127.0.0.1 localhost",
            "hello",
            "read-only",
            "lo",
            "sealed",
            "filtered",
        ];
        let said = container.run();
        assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{runtime}");
        container.end();
    }
    fs::remove_dir_all(source).unwrap();
}

#[test]
fn hardware_is_there_with_its_groups() {
    let script = "echo $(id -G | tr ' ' '\\n' | sort -n); test -c /dev/loop-control && echo device; test -d /gpu/net && echo mount";
    for (user_ns, runtime, groups) in
        [(true, "crun", "0 3 10 44"), (true, "runc", "0 3 10 44"), (false, "crun", "5 44 1000 1003")]
    {
        let fields = json!({"args": ["sh", "-c", script], "gpu": {"enable": true}, "userNs": user_ns});
        let container = Container::new(&format!("gpu-{user_ns}"), runtime, &with(&fields));
        let said = container.run();
        assert_eq!(said.lines().collect::<Vec<_>>(), [groups, "device", "mount"], "{runtime}");
        container.end();
    }
}
