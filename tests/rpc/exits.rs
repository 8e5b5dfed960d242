//! The daemon ends, in whatever way and at any moment, and every exit status is known to the next one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;

/// A bundle whose container ends with `code` when it is asked to end.
pub(crate) fn ends_with(
    world: &DaemonWorld,
    name: &str,
    code: usize,
    edit: impl FnOnce(&mut Value),
) -> PathBuf {
    let script = format!("trap 'exit {code}' TERM; echo ready; while :; do sleep 0.05; done");
    edited(world, name, &script, edit)
}

fn edited(world: &DaemonWorld, name: &str, script: &str, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let bundle = world.bundle(name, &["/bin/sh", "-c", script]);
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    fs::write(path, config.to_string()).unwrap();
    bundle
}

pub(crate) fn restarted(config: &mut Value) {
    config["annotations"] = json!({"org.rdk.restartOnCrash": "true"});
}

pub(crate) fn start(world: &DaemonWorld, id: &str, bundle: PathBuf) {
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    until_ready(world, id, 1);
}

/// The container's program has come up so many times.
pub(crate) fn until_ready(world: &DaemonWorld, id: &str, times: usize) {
    let log = world.path("log").join(format!("{id}.log"));
    world.until("it is ready", || {
        fs::read_to_string(&log).unwrap_or_default().matches("ready\n").count() == times
    });
}

/// Signals the container's first process by the runtime, with or without a daemon.
pub(crate) fn signal(world: &DaemonWorld, id: &str, signal: &str) {
    let mut command = Command::new("crun");
    let sent = command.arg("--root").arg(world.path("runtime")).args(["kill", id, signal]).status().unwrap();
    assert!(sent.success(), "{id}");
}

fn exit(world: &DaemonWorld, id: &str) -> (Value, Value) {
    let ended = world.done("waitContainer", &json!({"containerId": id, "timeout": 20_000}));
    (ended["exitCode"].clone(), ended["signal"].clone())
}

/// The parent of a container's first process.
pub(crate) fn monitor_of(world: &DaemonWorld, id: &str) -> i32 {
    let pid = fs::read_to_string(world.path("state").join(id).join("container.pid")).unwrap();
    let parent = || -> i32 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
    };
    // crun ends a moment before the process that it forked to do its work, which is the container's parent until then.
    let is_monitor = |pid: i32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("+monitor"))
    };
    world.until("the monitor is the parent", || is_monitor(parent()));
    parent()
}

pub(crate) fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn twenty_exits_are_known_over_restarts_of_the_daemon() {
    for how in [Signal::TERM, Signal::KILL] {
        let mut world = DaemonWorld::new();
        let ids: Vec<_> = (0..20).map(|number| world.id(&format!("c{number}"))).collect();
        for (code, id) in ids.iter().enumerate() {
            start(&world, id, ends_with(&world, id, code, |_| {}));
        }
        let monitor = monitor_of(&world, &ids[0]);
        assert!(ids.iter().all(|id| monitor_of(&world, id) == monitor), "one monitor for all");
        let term = |world: &DaemonWorld, ids: &[String]| {
            ids.iter().for_each(|id| signal(world, id, "TERM"));
        };
        term(&world, &ids[..4]);
        world.end(how);
        term(&world, &ids[4..10]);
        signal(&world, &ids[10], "KILL");
        world.start();
        term(&world, &ids[11..15]);
        world.end(how);
        world.start();
        term(&world, &ids[15..]);
        for (code, id) in ids.iter().enumerate() {
            let expected = if code == 10 { (Value::Null, json!(9)) } else { (json!(code), Value::Null) };
            assert_eq!(exit(&world, id), expected, "{id} {how:?}");
        }
        world.until("the monitor has ended with the last container", || !lives(monitor));
    }
}

#[test]
fn a_container_that_crashes_is_restarted_with_or_without_a_daemon() {
    for how in [Signal::TERM, Signal::KILL] {
        let mut world = DaemonWorld::new();
        let ids = ["while-away", "adopted", "clean"].map(|name| world.id(name));
        for (id, code) in ids.iter().zip([3, 4, 0]) {
            start(&world, id, ends_with(&world, id, code, restarted));
        }
        world.end(how);
        signal(&world, &ids[0], "TERM");
        signal(&world, &ids[2], "TERM");
        world.start();
        until_ready(&world, &ids[0], 2);
        signal(&world, &ids[1], "KILL");
        until_ready(&world, &ids[1], 2);
        // A run of the new daemon's own, and one that is adopted for the second time.
        world.end(how);
        signal(&world, &ids[0], "TERM");
        world.start();
        until_ready(&world, &ids[0], 3);
        assert_eq!(exit(&world, &ids[2]), (json!(0), Value::Null), "a success is not a crash");
        for id in &ids[..2] {
            world.done("stopContainer", &json!({"containerId": id}));
            exit(&world, id);
        }
    }
}

#[test]
fn a_container_that_ends_at_once_has_its_exit_status() {
    let world = DaemonWorld::new();
    for code in 0..10 {
        let id = world.id(&format!("c{code}"));
        let bundle = world.bundle(&id, &["/bin/sh", "-c", &format!("exit {code}")]);
        world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        assert_eq!(exit(&world, &id), (json!(code), Value::Null));
    }
}

#[test]
fn a_monitor_that_is_killed_takes_no_container_with_it_and_another_takes_its_place() {
    let world = DaemonWorld::new();
    let [first, second] = ["first", "second"].map(|name| world.id(name));
    start(&world, &first, ends_with(&world, &first, 5, |_| {}));
    let monitor = monitor_of(&world, &first);
    kill_process(Pid::from_raw(monitor).unwrap(), Signal::KILL).unwrap();
    world.until("it is dead", || !lives(monitor));
    start(&world, &second, ends_with(&world, &second, 6, |_| {}));
    assert_ne!(monitor_of(&world, &second), monitor);
    for (id, code) in [(first, 5), (second, 6)] {
        world.done("stopContainer", &json!({"containerId": id}));
        assert_eq!(exit(&world, &id), (json!(code), Value::Null));
    }
}

#[test]
fn a_signal_to_every_process_of_the_service_spares_the_monitor() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    start(&world, &id, ends_with(&world, &id, 7, |_| {}));
    let monitor = monitor_of(&world, &id);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(Pid::from_raw(monitor).unwrap(), signal).unwrap();
    }
    world.done("stopContainer", &json!({"containerId": id}));
    assert_eq!(exit(&world, &id), (json!(7), Value::Null), "no signal is blocked in a container");
    world.until("the monitor has ended by itself", || !lives(monitor));
}

#[test]
fn the_monitor_is_small_and_idle() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    start(&world, &id, ends_with(&world, &id, 0, |_| {}));
    let monitor = monitor_of(&world, &id);
    let smaps = fs::read_to_string(format!("/proc/{monitor}/smaps")).unwrap();
    // Without what the loader writes into the program's own pages: that is the size of the build.
    let (mut is_of_file, mut written) = (false, 0_u64);
    for line in smaps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0].contains('-') {
            is_of_file = words.get(5).is_some_and(|path| path.starts_with('/'));
        } else if words[0] == "Private_Dirty:" && !is_of_file {
            written += words[1].parse::<u64>().unwrap();
        }
    }
    assert!(written > 0 && written < 512, "{written} KiB\n{smaps}");
    let links = |pid: &str| -> Vec<String> {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        links.filter_map(|link| Some(fs::read_link(link.path()).ok()?.display().to_string())).collect()
    };
    // Before Linux 5.9 a daemon keeps what it was started with, here by the test.
    let inherited = links("self");
    let own = || {
        let links = links(&monitor.to_string()).into_iter();
        links.filter(|link| link != "/dev/null" && !inherited.contains(link)).count()
    };
    world.until("it has its socket, its signals, the container's output with its lock, and no more", || {
        own() == 4
    });
}
