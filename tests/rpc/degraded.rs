//! A daemon that can make no process, whose disk is full, or whose clock is set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};

use crate::exits::monitor_of;
use crate::support::daemon_world::DaemonWorld;

/// The status and the reasons of `/healthz`.
fn health(world: &DaemonWorld) -> (u16, Value) {
    let answer = world.tcp().request("GET", "/healthz", &[], "");
    (answer.status, answer.json()["reasons"].clone())
}

#[test]
fn health_tells_of_a_full_disk() {
    let world = DaemonWorld::new();
    assert_eq!(health(&world), (200, json!([])));
    // A start writes more than a log needs to go on.
    for (dir, size) in [("log", "size=64k"), ("state", "size=256k")] {
        let dir = world.path(dir);
        mount(Some("tmpfs"), &dir, Some("tmpfs"), MsFlags::empty(), Some(size)).unwrap();
        let fits = health(&world);
        let _full = fs::write(dir.join("filler"), vec![0; 1 << 20]);
        let full = health(&world);
        umount2(&dir, MntFlags::MNT_DETACH).unwrap();
        assert_eq!(fits, (200, json!([])));
        let reason = full.1[0].as_str().unwrap_or_default();
        assert!(full.0 == 503 && reason.ends_with(&format!("{} is full", dir.display())), "{full:?}");
        assert_eq!(health(&world), (200, json!([])));
    }
}

/// A file that a container's configuration names is the container's business: its output is lost then, and the log says so.
#[test]
fn a_bad_path_in_a_configuration_does_not_degrade_the_daemon() {
    let world = DaemonWorld::new();
    let directory = world.path("rootfs").display().to_string();
    for (n, path) in ["/nowhere/x.log", "relative.log", &directory].into_iter().enumerate() {
        let id = world.id(&format!("bad{n}"));
        let bundle = world.bundle(&id, &["sleep", "100"]);
        let mut config: Value =
            serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
        let data = json!({"sink": "file", "fileOptions": {"path": path, "limit": 1000}});
        config["rdkPlugins"] = json!({"logging": {"required": true, "data": data}});
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        assert_eq!(health(&world), (200, json!([])));
        let said = format!("container {id} runs without a log: ");
        assert!(world.log().contains(&said), "{}", world.log());
    }
    assert!(!Path::new("/relative.log").exists());
}

/// A cgroup with room for no more processes than it has; every process leaves it in the end.
struct Crowd(PathBuf);

impl Crowd {
    /// The first of them names it.
    fn of(pids: [u32; 2]) -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let v1 = root.join("pids");
        let dir = if v1.exists() {
            v1
        } else {
            fs::write(root.join("cgroup.subtree_control"), "+pids").unwrap();
            root.to_owned()
        };
        let crowd = Self(dir.join(format!("crowd-{}", pids[0])));
        fs::create_dir(&crowd.0).unwrap();
        for pid in pids {
            fs::write(crowd.0.join("cgroup.procs"), pid.to_string()).unwrap();
        }
        let now = fs::read_to_string(crowd.0.join("pids.current")).unwrap();
        crowd.limit(now.trim());
        crowd
    }

    fn limit(&self, most: &str) {
        fs::write(self.0.join("pids.max"), most).unwrap();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let all = self.0.parent().unwrap().join("cgroup.procs");
        for pid in fs::read_to_string(self.0.join("cgroup.procs")).unwrap().lines() {
            fs::write(&all, pid).unwrap();
        }
        fs::remove_dir(&self.0).unwrap();
    }
}

#[test]
fn without_another_process_calls_fail_and_work_again_later() {
    let world = DaemonWorld::new();
    let (id, more) = (world.id("a"), world.id("b"));
    world.run(&id, &["sleep", "1000"]);
    // The monitor calls the runtime for what is to outlive the daemon.
    let monitor = monitor_of(&world, &id).try_into().unwrap();
    let crowd = Crowd::of([world.pid(), monitor]);
    let about = json!({"containerId": id});
    let start = json!({"containerId": more, "bundlePath": world.bundle("more", &["sleep", "1000"])});
    for (method, params) in [
        ("startContainer", start.clone()),
        ("pauseContainer", about.clone()),
        ("executeCommand", json!({"containerId": id, "command": "true"})),
        ("runCommand", json!({"containerId": id, "command": "true"})),
    ] {
        let error = world.call(method, &params).unwrap_err();
        let reason = error["data"].as_str().unwrap_or_default();
        let said = reason.contains("cannot run") || reason.contains("cannot start the monitor");
        assert!(said && reason.contains("unavailable"), "{method}: {error}");
    }
    let info = world.done("getContainerInfo", &about)["info"].clone();
    assert!(info["processes"].is_null() && info["pids"].as_array().unwrap().len() == 1, "{info}");
    assert_eq!(world.done("getContainerState", &about)["state"], "Running");
    // It can be killed, but not be deleted.
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
    world.until("it has ended", || world.done("getContainerState", &about)["state"] == "Stopped");
    assert_eq!(health(&world).0, 503);
    crowd.limit("max");
    world.done("deleteContainer", &about);
    assert_eq!(health(&world), (200, json!([])));
    world.done("startContainer", &start);
    world.done("deleteContainer", &json!({"containerId": more, "force": true}));
    assert!(world.runtime_list().is_empty() && crate::support::state::kept(&world.path("state")).is_empty());
    drop(crowd);
}

/// Moves the wall clock of a program by as many seconds as the file `CLOCK` says.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    FILE *file = clock == CLOCK_REALTIME ? fopen(getenv("CLOCK"), "r") : NULL;
    long offset = 0;
    if (file && fscanf(file, "%ld", &offset) == 1) now->tv_sec += offset;
    if (file) fclose(file);
    return result;
}
"#;

/// What ends by SIGKILL only.
const DEAF: &str = "trap '' TERM; while :; do sleep 1; done";

/// A command ends when it is to end, another one at its time limit, and a stop becomes a kill, while `set` sets the clock.
/// Whether that was done before the time limits were over.
fn limits_are_kept(
    world: &DaemonWorld,
    ids: &[String; 3],
    (name, patience): (&str, u32),
    set: impl FnOnce(),
) -> bool {
    let (begun, go) = (format!("/tmp/begun{name}"), format!("/tmp/go{name}"));
    let run = |id: &str, command: &str, timeout: u32| {
        let command = format!("sh -c '{command}'");
        world.done("runCommand", &json!({"containerId": id, "command": command, "timeout": timeout}))
    };
    let is_there = |id: &str, file: &str| run(id, &format!("test -e {file}"), 5000)["exitCode"] == 0;
    let waits = format!("echo > {begun}; while ! test -e {go}; do sleep 0.05; done");
    let stopped = json!({"containerId": ids[2], "timeout": patience});
    std::thread::scope(|scope| {
        let long = scope.spawn(|| run(&ids[0], &waits, 600_000));
        world.until("it has begun", || is_there(&ids[0], &begun));
        let endless = scope.spawn(|| run(&ids[1], &waits, patience));
        world.until("it has begun", || endless.is_finished() || is_there(&ids[1], &begun));
        world.done("stopContainer", &stopped);
        set();
        let state = world.call("getContainerState", &json!({"containerId": ids[2]})).unwrap_or_default();
        let is_in_time = !endless.is_finished() && state["state"] == "Stopping";
        assert_eq!(endless.join().unwrap()["timedOut"], true, "{name}");
        let ended = world.done("waitContainer", &json!({"containerId": ids[2], "timeout": 50_000}));
        assert_eq!(ended["signal"], 9, "the stop became a kill");
        run(&ids[0], &format!("echo > {go}"), 5000);
        assert_eq!(long.join().unwrap()["timedOut"], false, "{name}");
        world.run(&ids[2], &["sh", "-c", DEAF]);
        is_in_time
    })
}

/// Time limits are kept whatever becomes of the clock, and nothing takes an order from it.
#[test]
fn a_clock_that_is_set_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("clock.c"), CLOCK).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([path("clock.so"), path("clock.c")]).arg("-ldl");
    assert!(compiler.status().unwrap().success(), "{compiler:?}");
    fs::write(path("offset"), "0").unwrap();
    let preload = [("LD_PRELOAD", path("clock.so")), ("CLOCK", path("offset"))];
    let world = DaemonWorld::with_environment(&preload.map(|(name, value)| (name, value.into_os_string())));
    let maps = fs::read_to_string(format!("/proc/{}/maps", world.pid())).unwrap();
    assert!(maps.contains("clock.so"), "the daemon has this clock");
    let ids = ["a", "b", "c"].map(|name| world.id(name));
    let day = 24 * 60 * 60;
    for (id, offset) in ids.iter().zip([day, -day, 0]) {
        fs::write(path("offset"), offset.to_string()).unwrap();
        world.run(id, &["sh", "-c", DEAF]);
    }
    let listed = world.done("listContainers", &json!({}))["containers"].clone();
    let order: Vec<_> = listed.as_array().unwrap().iter().map(|listed| listed["Id"].clone()).collect();
    assert_eq!(order, ids.clone().map(Value::from), "in the order of their starts");
    for offset in [day, -day] {
        let mut patience = 1000;
        loop {
            fs::write(path("offset"), "0").unwrap();
            let name = format!("{offset}.{patience}");
            let set = || fs::write(path("offset"), offset.to_string()).unwrap();
            if limits_are_kept(&world, &ids, (&name, patience), set) {
                break;
            }
            // On a slow machine, they were over before the clock was set.
            patience *= 3;
            assert!(patience < 30_000, "{}", world.log());
        }
    }
    for id in &ids {
        world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    }
}
