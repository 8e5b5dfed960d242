//! A daemon that is killed right before it tells of something: the next one does.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::dumps::dumping;
use crate::events::nothing_starts;
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::state::notes;
use crate::support::syscall_gate::SyscallGate;
use crate::support::wire::Ws;

/// A client of all events.
struct Listener(Ws);

impl Listener {
    fn new(world: &DaemonWorld) -> Self {
        let mut ws = world.ws();
        for event in ["onContainerStarted", "onMinidump", "onContainerStopped", "onContainerFailed"] {
            let params = json!({"event": event, "id": "e"});
            ws.send(&json!({"id": 1, "method": format!("{PLUGIN}.register"), "params": params}).to_string());
        }
        Self(ws)
    }

    /// The name of the next event, which must be of the container.
    fn next(&mut self, id: &str) -> String {
        loop {
            let message: Value = serde_json::from_str(&self.0.text()).unwrap();
            if let Some(method) = message["method"].as_str() {
                assert_eq!(message["params"]["name"], id, "{message}");
                return method.trim_start_matches("e.").to_owned();
            }
            assert_eq!(message["result"], 0);
        }
    }

    /// There is no event.
    fn hears_nothing(&mut self) {
        self.0.send(r#"{"id":2,"method":"OCIContainer.versions"}"#);
        while let message = self.0.text()
            && message != r#"{"jsonrpc":"2.0","id":2,"result":[]}"#
        {
            assert_eq!(message, r#"{"jsonrpc":"2.0","id":1,"result":0}"#);
        }
    }
}

/// A container that leaves a dump when it is told to stop.
const LEAVES_A_DUMP: &str = "trap 'echo MDMP >/opt/minidumps/x.dmp; exit 9' TERM; \
    echo ready; while :; do sleep 0.05; done";

#[test]
fn an_end_that_was_not_told_is_told_by_the_next_daemon() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    world.done("startContainer", &json!({"containerId": id, "bundlePath": dumping(&world, LEAVES_A_DUMP)}));
    let logs = || world.done("getContainerLogs", &json!({"containerId": id})).to_string();
    world.until("it is ready", || logs().contains("ready"));
    let shelf = world.path("state").join(&id);
    let gate = SyscallGate::behind(&world, 1, "/^(rmdir|unlinkat)$", &shelf);
    world.done("stopContainer", &json!({"containerId": id}));
    world.until("it is put away", || !shelf.exists());
    gate.kill(&mut world);
    world.start();
    // Whoever comes within a minute hears it, with a third daemon, too.
    for daemon in 1..3 {
        let mut listener = Listener::new(&world);
        assert_eq!(
            [listener.next(&id), listener.next(&id)],
            ["onMinidump", "onContainerStopped"],
            "{daemon}"
        );
        assert_eq!(world.done("listContainers", &json!({}))["containers"], json!([]));
        assert_eq!(world.done("waitContainer", &json!({"containerId": id}))["exitCode"], 9);
        world.end(Signal::KILL);
        world.start();
    }
    // A new life makes the end old news, but not the dump.
    world.run(&id, &["sleep", "1000"]);
    let mut listener = Listener::new(&world);
    assert_eq!(listener.next(&id), "onMinidump");
    listener.hears_nothing();
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    assert_eq!(listener.next(&id), "onContainerStopped");
    listener.hears_nothing();
}

#[test]
fn a_start_that_was_not_told_is_told_by_the_next_daemon() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["sleep", "1000"]);
    let shelf = world.path("state").join(&id);
    let record = shelf.join("record.json");
    // The first record says that there will be a container, the second that there is one.
    let gate = SyscallGate::behind(&world, 2, "/^rename", &record);
    let mut caller = world.ws();
    let start = json!({"id": 1, "method": format!("{PLUGIN}.startContainer"),
        "params": {"containerId": id, "bundlePath": bundle}});
    caller.send(&start.to_string());
    let recorded = || fs::read_to_string(&record).is_ok_and(|text| text.contains("start_time"));
    world.until("it runs", recorded);
    gate.kill(&mut world);
    world.start();
    let mut listener = Listener::new(&world);
    assert_eq!(listener.next(&id), "onContainerStarted");
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    assert_eq!(listener.next(&id), "onContainerStopped");
}

#[test]
fn a_failure_that_was_not_told_is_told_by_the_next_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = nothing_starts(dir.path());
    let mut world = DaemonWorld::with(&["--runtime", runtime.to_str().unwrap()]);
    let id = world.id("a");
    let shelf = world.path("state").join(&id);
    let gate = SyscallGate::behind(&world, 1, "/^(rmdir|unlinkat)$", &shelf);
    let mut caller = world.ws();
    let start = json!({"id": 1, "method": format!("{PLUGIN}.startContainer"),
        "params": {"containerId": id, "bundlePath": world.bundle("b", &["true"])}});
    caller.send(&start.to_string());
    world.until("it is put away", || !shelf.exists() && world.log().contains("calls startContainer"));
    world.until("its failure is noted", || !notes(&world.path("state")).is_empty());
    gate.kill(&mut world);
    world.start();
    assert_eq!(Listener::new(&world).next(&id), "onContainerFailed");
}

#[test]
fn what_was_told_is_forgotten() {
    let mut world = DaemonWorld::new();
    let (lives, ends) = (world.id("lives"), world.id("ends"));
    let mut listener = Listener::new(&world);
    for id in [&lives, &ends] {
        world.run(id, &["sleep", "1000"]);
        assert_eq!(listener.next(id), "onContainerStarted");
    }
    world.done("deleteContainer", &json!({"containerId": ends, "force": true}));
    assert_eq!(listener.next(&ends), "onContainerStopped");
    let record = world.path("state").join(&lives).join("record.json");
    let untold = || fs::read_to_string(&record).unwrap().contains("\"untold\":true");
    world.until("all is told", || !untold() && notes(&world.path("state")).is_empty());
    world.end(Signal::KILL);
    world.start();
    let mut listener = Listener::new(&world);
    listener.hears_nothing();
    world.done("deleteContainer", &json!({"containerId": lives, "force": true}));
}
