//! Clients that go away, many at once, and a bus that is restarted.

use std::process::Stdio;

use serde_json::json;

use crate::bus::{Bus, BusWorld, Monitor, path};
use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;

#[test]
fn fifty_callers_at_once_are_all_answered() {
    let world = BusWorld::new();
    let bundle = world.daemon.bundle("b", &["sleep", "100"]);
    let ids: Vec<String> = (0..50).map(|n| world.daemon.id(&format!("n{n}"))).collect();
    let start = |id: &String| {
        let mut command =
            world.bus.call_command("ctrl1", "StartFromBundle", &["ssah", id, path(&bundle), "0"]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let callers: Vec<_> = ids.iter().map(start).collect();
    let mut descriptors: Vec<i64> = callers
        .into_iter()
        .map(|caller| {
            let output = caller.wait_with_output().unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            answer["data"][0].as_i64().unwrap()
        })
        .collect();
    descriptors.sort_unstable();
    descriptors.dedup();
    assert_eq!(descriptors.len(), 50, "each has a descriptor of its own\n{}", world.daemon.log());
    assert!(descriptors[0] > 0, "{}", world.daemon.log());
}

#[test]
fn a_client_that_disconnects_leaves_its_call_to_be_carried_out() {
    let world = BusWorld::new();
    let monitor = Monitor::new(&world.bus);
    let id = world.daemon.id("a");
    // The start takes as long as this hook, and its client does not wait for it.
    let bundle = world.daemon.bundle("b", &["sleep", "100"]);
    let config = bundle.join("config.json");
    let mut edited: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    let began = world.daemon.path("began");
    let script = format!("echo > '{}'; sleep 1", began.display());
    edited["hooks"] =
        json!({"prestart": [{"path": "/bin/busybox", "args": ["busybox", "sh", "-c", script]}]});
    std::fs::write(&config, edited.to_string()).unwrap();
    let mut client = world.bus.call_command("ctrl1", "StartFromBundle", &["ssah", &id, path(&bundle), "0"]);
    let mut client = client.spawn().unwrap();
    world.daemon.until("the start is under way", || began.exists());
    client.kill().unwrap();
    client.wait().unwrap();
    monitor.until("Started", &id);
    assert_eq!(world.bus.answer("ctrl1", "List", &[])[1], json!([id]));
}

#[test]
fn a_bus_that_is_restarted_gets_the_daemon_back() {
    let mut world = BusWorld::new();
    let id = world.daemon.id("a");
    let d = world.sleeper(&id);
    for round in 2..4 {
        world.bus.end();
        world.daemon.until("the loss is noticed", || {
            world.daemon.log().matches("the connection to D-Bus is lost").count() == round - 1
        });
        assert_eq!(world.daemon.done("getContainerState", &json!({"containerId": id}))["state"], "Running");
        world.bus.start();
        world.until_on_the_bus(round);
        assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 2);
    }
    let monitor = Monitor::new(&world.bus);
    assert_eq!(world.bus.one("ctrl1", "Stop", &["ib", &d, "true"]), true);
    monitor.until("Stopped", &id);
}

#[test]
fn a_daemon_may_be_there_before_its_bus() {
    let mut bus = Bus::new();
    bus.end();
    let daemon = DaemonWorld::with(&["--dbus", &bus.address()]);
    daemon.until("the failure is logged", || daemon.log().contains("cannot connect to D-Bus at unix:path="));
    daemon.done("listContainers", &json!({}));
    bus.start();
    let world = BusWorld { daemon, bus };
    world.until_on_the_bus(1);
    assert_eq!(world.bus.answer("ctrl1", "List", &[]), json!([[], []]));
    assert_eq!(world.daemon.log().matches("cannot connect to D-Bus").count(), 1, "{}", world.daemon.log());
}

#[test]
fn a_second_daemon_waits_for_the_name() {
    let first = BusWorld::new();
    let second = DaemonWorld::with(&["--dbus", &first.bus.address()]);
    second.until("the failure is logged", || second.log().contains("another program has it"));
    let BusWorld { daemon, bus } = first;
    drop(daemon);
    let world = BusWorld { daemon: second, bus };
    world.until_on_the_bus(1);
}

#[test]
fn an_address_that_is_not_a_unix_socket_is_refused() {
    let mut command = std::process::Command::new(daemon_program());
    let dir = tempfile::tempdir_in(crate::support::test_dir::test_dir()).unwrap();
    crate::support::hook_wrapper::make(dir.path(), "");
    command.args(["serve", "--no-tcp", "--dbus", "tcp:host=localhost,port=1"]);
    crate::support::hook_wrapper::live_in(&mut command, dir.path());
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(message.contains("cannot use the D-Bus address"), "{message}");
}

#[test]
fn dbus_needs_no_further_thread() {
    let world = BusWorld::new();
    let threads = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", world.daemon.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("Threads:")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(threads(), "1");
    let d = world.sleeper(&world.daemon.id("a"));
    assert_eq!(world.bus.one("ctrl1", "Stop", &["ib", &d, "true"]), true);
    assert_eq!(threads(), "1");
}
