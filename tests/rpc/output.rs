//! The output of containers: below its limit at all times, and whole, whatever becomes of the daemon and of the monitor.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::exits::lives;
use crate::support::daemon_world::DaemonWorld;
use crate::support::host::PATIENCE;

/// Both files of a log together, in bytes.
fn size(world: &DaemonWorld, id: &str) -> u64 {
    let length = |end: &str| fs::metadata(world.path("log").join(format!("{id}.{end}")));
    length("log").map_or(0, |file| file.len()) + length("log.1").map_or(0, |file| file.len())
}

fn log(world: &DaemonWorld, id: &str) -> String {
    fs::read_to_string(world.path("log").join(format!("{id}.log"))).unwrap_or_default()
}

fn start(world: &DaemonWorld, id: &str, script: &str) {
    let bundle = world.bundle(id, &["/bin/sh", "-c", script]);
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
}

fn wait_for_end(world: &DaemonWorld, id: &str) {
    world.done("waitContainer", &json!({"containerId": id, "timeout": PATIENCE.as_millis()}));
}

/// Ten writers of 6 MB each, as fast as they can.
const FLOOD: &str = "for n in 0 1 2 3 4 5 6 7 8 9; do dd if=/dev/zero bs=3000 count=2000 2>/dev/null & done; wait; \
                     echo; echo the end";

#[test]
fn a_flood_never_exceeds_the_limit_with_or_without_a_daemon() {
    let mut world = DaemonWorld::with(&["--log-limit", "100000"]);
    for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
        let id = world.id("flood");
        start(&world, &id, FLOOD);
        if let Some(signal) = signal {
            world.end(signal);
        }
        let mut most = 0;
        world.until("all is written", || {
            most = most.max(size(&world, &id));
            log(&world, &id).ends_with("\nthe end\n")
        });
        assert!(most > 0 && most <= 100_000, "{most} bytes");
        if signal.is_some() {
            world.start();
        }
        wait_for_end(&world, &id);
        assert!(log(&world, &id).ends_with("\nthe end\n"));
    }
}

/// Numbered lines, a hundred at a time, until there is a file `/stop`; then how many there are.
const NUMBERS: &str = "i=0; while ! test -e /stop; do j=0; while [ $j -lt 100 ]; do echo $i; i=$((i+1)); j=$((j+1)); done; \
                       sleep 0.02; done; echo all $i";

/// The monitor that reads a container's output.
fn reader(world: &DaemonWorld, id: &str) -> Option<i32> {
    let pipe = world.path("state").join(id).join("output");
    let has_pipe = |process: &PathBuf| {
        let mut open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        open.any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link == pipe))
    };
    let is_monitor = |process: &PathBuf| {
        fs::read(process.join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("+monitor"))
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    let found = processes.filter(is_monitor).find(has_pipe)?;
    found.file_name()?.to_str()?.parse().ok()
}

#[test]
fn nothing_is_lost_when_the_monitor_and_daemons_are_killed() {
    let mut world = DaemonWorld::with(&["--log-limit", "100000000"]);
    let id = world.id("numbers");
    start(&world, &id, NUMBERS);
    let lines = |world: &DaemonWorld| log(world, &id).lines().count();
    for is_monitor_first in [true, false, true] {
        let goal = lines(&world) + 500;
        world.until("it writes", || lines(&world) >= goal);
        if is_monitor_first {
            kill_reader(&world, &id);
        }
        world.end(Signal::KILL);
        if !is_monitor_first {
            kill_reader(&world, &id);
        }
        world.start();
    }
    fs::write(world.path("rootfs/stop"), "").unwrap();
    wait_for_end(&world, &id);
    // This monitor is not the container's parent and does not hold back its end.
    world.until("all is read", || {
        log(&world, &id).lines().last().is_some_and(|line| line.starts_with("all "))
    });
    let log = log(&world, &id);
    let count: u32 = log.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    let expected: String = (0..count).map(|number| format!("{number}\n")).collect();
    assert!(log == format!("{expected}all {count}\n"), "{} of {count} lines", log.lines().count() - 1);
}

fn kill_reader(world: &DaemonWorld, id: &str) {
    world.until("a monitor reads", || reader(world, id).is_some());
    let monitor = reader(world, id).unwrap();
    kill_process(Pid::from_raw(monitor).unwrap(), Signal::KILL).unwrap();
    world.until("it is dead", || !lives(monitor));
}

#[test]
fn what_was_in_the_pipe_when_the_monitor_was_killed_is_in_the_log() {
    let world = DaemonWorld::new();
    let id = world.id("tail");
    let wait = "echo ready; while ! test -e /go; do sleep 0.01; done";
    start(&world, &id, &format!("{wait}; for n in $(seq 500); do echo line $n; done; exit 3"));
    world.until("it is ready", || log(&world, &id) == "ready\n");
    let monitor = Pid::from_raw(reader(&world, &id).unwrap()).unwrap();
    kill_process(monitor, Signal::STOP).unwrap();
    let pid = fs::read_to_string(world.path("state").join(&id).join("container.pid")).unwrap();
    fs::write(world.path("rootfs/go"), "").unwrap();
    world.until("the container has ended", || !lives(pid.trim().parse().unwrap()));
    kill_process(monitor, Signal::KILL).unwrap();
    wait_for_end(&world, &id);
    let expected: String = (1..=500).map(|number| format!("line {number}\n")).collect();
    assert!(log(&world, &id) == format!("ready\n{expected}"), "{}", log(&world, &id));
}

#[test]
fn what_a_container_writes_while_it_stops_is_read_though_the_monitor_was_killed() {
    let world = DaemonWorld::new();
    let id = world.id("last-words");
    let words = "while ! test -e /go; do sleep 0.01; done; seq 40000; echo all; exit 0";
    start(&world, &id, &format!("trap '{words}' TERM; echo ready; while :; do sleep 0.01; done"));
    world.until("it is ready", || log(&world, &id) == "ready\n");
    assert!(world.cli(&["stop", "--time", "600", &id]).status.success());
    kill_reader(&world, &id);
    world.until("another monitor reads", || reader(&world, &id).is_some());
    fs::write(world.path("rootfs/go"), "").unwrap();
    wait_for_end(&world, &id);
    let log = log(&world, &id);
    assert!(log.ends_with("\n40000\nall\n"), "{} bytes", log.len());
}

/// There is nothing to read of a container that has closed its output, so that no monitor stays for it.
#[test]
fn monitors_are_not_started_again_and_again_for_a_container_that_has_closed_its_output() {
    let world = DaemonWorld::new();
    let id = world.id("silent");
    start(&world, &id, "echo ready; exec >/dev/null 2>&1; exec sleep 1000");
    world.until("it is ready", || log(&world, &id) == "ready\n");
    kill_reader(&world, &id);
    let sockets = || {
        let entries = fs::read_dir(world.path("state")).unwrap().flatten();
        let sockets = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("+monitor."));
        sockets.map(|entry| entry.metadata().unwrap().ino()).collect::<Vec<_>>()
    };
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        seen.extend(sockets());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // The one that was killed, and one that had nothing to do.
    assert!(seen.len() <= 3, "{seen:?}");
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
    wait_for_end(&world, &id);
}

/// A lock that the container can take keeps no monitor from reading.
#[test]
fn a_container_that_locks_its_output_is_read_all_the_same() {
    let world = DaemonWorld::new();
    let id = world.id("lock");
    start(&world, &id, "flock -x 1; echo locked; while :; do echo more; sleep 0.05; done");
    world.until("it has the lock", || log(&world, &id).contains("locked\nmore\n"));
    kill_reader(&world, &id);
    let before = log(&world, &id).len();
    world.until("it is read on", || log(&world, &id).len() > before + 20);
}

/// The output of a container with a file of its own, which has ended or ends meanwhile.
#[test]
fn a_log_file_of_its_own_is_read_after_the_end() {
    let world = DaemonWorld::new();
    let (id, file) = (world.id("own"), world.path("own.log"));
    let bundle = world.bundle(&id, &["/bin/sh", "-c", "echo begun; sleep 0.5; echo done"]);
    let path = bundle.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let data = json!({"sink": "file", "fileOptions": {"path": file}});
    config["rdkPlugins"] = json!({"logging": {"required": true, "data": data}});
    fs::write(path, config.to_string()).unwrap();
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    let followed = world.cli(&["logs", "--follow", &id]);
    assert_eq!(String::from_utf8_lossy(&followed.stdout), "begun\ndone\n", "{followed:?}");
    wait_for_end(&world, &id);
    for args in [&["logs", &id][..], &["logs", "--follow", &id]] {
        let read = world.cli(args);
        assert_eq!(String::from_utf8_lossy(&read.stdout), "begun\ndone\n", "{read:?}");
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(world.cli(&["logs", &id]).status.code(), Some(10), "as long as it is there");
    // The next one of this name has another log.
    start(&world, &id, "echo other");
    wait_for_end(&world, &id);
    let read = world.cli(&["logs", &id]);
    assert_eq!(String::from_utf8_lossy(&read.stdout), "other\n", "{read:?}");
}
