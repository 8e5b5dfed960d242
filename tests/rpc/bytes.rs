//! What the kernel says of mounts and processes need not be text: a USB stick with a Latin-1 label, a process name that
//! was cut in the middle of a letter. The daemon must work all the same.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, leave_the_hosts_mounts};
use crate::support::host::daemon_program;

/// A mount whose path is not UTF-8, among the mounts of this thread.
struct OddMount(PathBuf);

impl OddMount {
    fn new(world: &DaemonWorld) -> Self {
        let point = world.dir.path().join(OsStr::from_bytes(b"M\xfcller"));
        fs::create_dir(&point).unwrap();
        mount(Some("tmpfs"), &point, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
        Self(point)
    }
}

impl Drop for OddMount {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).unwrap();
    }
}

fn state(world: &DaemonWorld, about: &Value) -> Value {
    world.done("getContainerState", about)["state"].take()
}

#[test]
fn a_mount_whose_path_is_not_text_does_not_blind_the_daemon() {
    leave_the_hosts_mounts();
    let world = DaemonWorld::new();
    let _mounted = OddMount::new(&world);
    let seen = fs::read(format!("/proc/{}/mountinfo", world.pid())).unwrap();
    assert!(String::from_utf8(seen).is_err(), "the daemon does not see the mount");
    let id = world.id("a");
    let about = json!({"containerId": id});
    world.run(&id, &["sleep", "1000"]);
    assert_eq!(state(&world, &about), "Running");
    let info = world.done("getContainerInfo", &about)["info"].take();
    assert!(info["memory"]["user"]["usage"].as_u64().unwrap_or(0) > 0, "{info}");
    assert!(info["cpu"]["usage"]["total"].as_u64().unwrap_or(0) > 0, "{info}");
    assert_eq!(info["pids"].as_array().map(Vec::len), Some(1), "{info}");
    world.done("pauseContainer", &about);
    assert_eq!(state(&world, &about), "Paused");
    world.done("resumeContainer", &about);
    assert_eq!(state(&world, &about), "Running");
    world.done("pauseContainer", &about);
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
    let end = world.done("waitContainer", &json!({"containerId": id, "timeout": 20_000}));
    assert_eq!(end["signal"], 9, "{end}\n{}", world.log());
    world.until("it is gone", || world.runtime_list().is_empty());
}

#[test]
fn a_process_whose_name_is_not_text_is_listed_and_stopped() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let about = json!({"containerId": id});
    let script = "printf 'caf\\303' >/proc/self/comm && echo ready; while :; do sleep 0.1; done";
    world.run(&id, &["sh", "-c", script]);
    world.until("it has its name", || world.done("getContainerLogs", &about).to_string().contains("ready"));
    let info = world.done("getContainerInfo", &about)["info"].take();
    let pid = info["pids"][0].as_u64().unwrap();
    let status = fs::read(format!("/proc/{pid}/status")).unwrap();
    assert!(String::from_utf8(status).is_err(), "the name is text");
    assert_eq!(
        (&info["processes"][0]["pid"], &info["processes"][0]["nsPid"]),
        (&pid.into(), &1.into()),
        "{info}"
    );
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
    let end = world.done("waitContainer", &about);
    assert_eq!(end["signal"], 9, "{end}\n{}", world.log());
}

#[test]
fn a_path_that_json_cannot_hold_is_refused_in_words() {
    let world = DaemonWorld::new();
    let odd = world.dir.path().join(OsStr::from_bytes(b"b\xff"));
    let bundle = world.bundle("b", &["true"]);
    fs::rename(&bundle, &odd).unwrap();
    let id = world.id("a");
    let spec = world.path("spec.json");
    fs::write(&spec, "{}").unwrap();
    let odd = odd.as_os_str();
    let cases: [&[&OsStr]; 4] = [
        &["start".as_ref(), id.as_ref(), odd],
        &["run".as_ref(), id.as_ref(), odd],
        &["run".as_ref(), "-d".as_ref(), id.as_ref(), odd],
        &["start-spec".as_ref(), id.as_ref(), spec.as_ref(), "--westeros".as_ref(), odd],
    ];
    for words in cases {
        let mut command = Command::new(daemon_program());
        let run = command.arg("--socket").arg(world.path("socket")).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(said.contains("is not UTF-8, as JSON is; move it"), "{words:?}: {run:?}");
        assert!(matches!(run.status.code(), Some(4 | 125)), "{words:?}: {run:?}");
    }
    assert!(!world.log().contains("panicked"), "{}", world.log());
}
