//! Changes of state, with a daemon that is killed between a change and its event: the next one says it, and once.

use rustix::process::Signal;
use serde_json::json;

use crate::exits::{ends_with, start};
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::syscall_gate::SyscallGate;
use crate::support::wire::Ws;

/// The states that were announced of a container, from the first on.
fn announced(world: &DaemonWorld, id: &str) -> Vec<String> {
    let past = world.done("listEvents", &json!({}));
    let all = past["events"].as_array().unwrap().iter();
    let of = all.filter(|entry| entry["event"] == "onContainerStateChanged" && entry["params"]["name"] == id);
    of.map(|entry| entry["params"]["state"].as_str().unwrap().to_owned()).collect()
}

/// Begins a call, which is not answered when the daemon is killed.
fn begin(world: &DaemonWorld, method: &str, id: &str) -> Ws {
    let mut ws = world.ws();
    let params = json!({"containerId": id, "timeout": 3_600_000});
    ws.send(&json!({"id": 1, "method": format!("{PLUGIN}.{method}"), "params": params}).to_string());
    ws
}

/// Holds the daemon before it writes its `nth` event from now on.
fn before_event(world: &DaemonWorld, nth: u32) -> SyscallGate {
    SyscallGate::behind(world, nth, "openat", &world.path("state/+events"))
}

fn runtime_says(world: &DaemonWorld, id: &str, status: &str) -> bool {
    let mut state = std::process::Command::new("crun");
    let output = state.arg("--root").arg(world.path("runtime")).args(["state", id]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).contains(&format!("\"status\": \"{status}\""))
}

/// Two daemons after that: what the first one says, the second does not say again.
fn next_daemons_say(world: &mut DaemonWorld, id: &str, expected: &[&str]) {
    world.start();
    for how in [Signal::KILL, Signal::TERM] {
        world.until("it is said", || announced(world, id) == expected);
        world.end(how);
        world.start();
    }
    // Whatever it does of itself is done when it has adopted what it found.
    world.run(&world.id("another"), &["true"]);
    assert_eq!(announced(world, id), expected);
    let _gone = world.call("deleteContainer", &json!({"containerId": world.id("another"), "force": true}));
}

#[test]
fn a_pause_that_was_not_announced_is_announced_by_the_next_daemon() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    start(&world, &id, ends_with(&world, &id, 0, |_| {}));
    for (method, status, expected) in [
        ("pauseContainer", "paused", &["Running", "Paused"][..]),
        ("resumeContainer", "running", &["Running", "Paused", "Running"]),
    ] {
        let gate = before_event(&world, 1);
        let caller = begin(&world, method, &id);
        world.until("the runtime has done it", || runtime_says(&world, &id, status));
        gate.kill(&mut world);
        drop(caller);
        next_daemons_say(&mut world, &id, expected);
    }
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn a_stop_that_was_not_announced_is_announced_by_the_next_daemon() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let deaf = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done";
    start(&world, &id, world.bundle("b", &["/bin/sh", "-c", deaf]));
    let gate = before_event(&world, 1);
    let caller = begin(&world, "stopContainer", &id);
    let log = world.path("log").join(format!("{id}.log"));
    world.until("it was asked", || std::fs::read_to_string(&log).unwrap_or_default().contains("asked"));
    gate.kill(&mut world);
    drop(caller);
    next_daemons_say(&mut world, &id, &["Running", "Stopping"]);
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    assert_eq!(announced(&world, &id), ["Running", "Stopping", "Stopped"]);
}

#[test]
fn an_end_that_was_not_announced_is_announced_by_the_next_daemon() {
    // The state, then the end itself.
    for nth in [1, 2] {
        let mut world = DaemonWorld::new();
        let id = world.id("a");
        start(&world, &id, ends_with(&world, &id, 3, |_| {}));
        let gate = before_event(&world, nth);
        crate::exits::signal(&world, &id, "TERM");
        let shelf = world.path("state").join(&id);
        world.until("it is put away", || !shelf.exists());
        gate.kill(&mut world);
        next_daemons_say(&mut world, &id, &["Running", "Stopped"]);
        assert_eq!(world.done("waitContainer", &json!({"containerId": id}))["exitCode"], 3);
    }
}

#[test]
fn what_happened_while_no_daemon_looked_is_announced_in_its_order() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let gate = before_event(&world, 1);
    let bundle = world.bundle("b", &["/bin/sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"]);
    let mut caller = world.ws();
    let params = json!({"containerId": id, "bundlePath": bundle});
    caller
        .send(&json!({"id": 1, "method": format!("{PLUGIN}.startContainer"), "params": params}).to_string());
    let record = world.path("state").join(&id).join("record.json");
    let recorded = || std::fs::read_to_string(&record).is_ok_and(|text| text.contains("start_time"));
    world.until("it runs", recorded);
    gate.kill(&mut world);
    crate::exits::signal(&world, &id, "KILL");
    next_daemons_say(&mut world, &id, &["Running", "Stopped"]);
}
