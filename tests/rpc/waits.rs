//! Waits for the end of a container: which end, and how long it is known.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::exits::{ends_with, restarted, signal, start, until_ready};
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::state::notes;
use crate::support::wire::Ws;

#[test]
fn an_end_is_known_over_restarts_of_the_daemon() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["/bin/sh", "-c", "exit 4"]);
    let about = json!({"containerId": id});
    world.until("it is gone", || world.call("getContainerState", &about).is_err());
    world.until("its end was announced long ago", || notes(&world.path("state")).is_empty());
    for how in [Signal::TERM, Signal::KILL] {
        world.end(how);
        world.start();
        assert_eq!(world.done("waitContainer", &about)["exitCode"], 4, "{how:?}");
        let waited = world.cli(&["wait", &id]);
        assert_eq!(String::from_utf8_lossy(&waited.stdout), "exit code 4\n");
    }
    let other = world.call("waitContainer", &json!({"containerId": world.id("b")})).unwrap_err();
    assert!(other["data"].as_str().unwrap().contains("no container"), "{other}");
    // A later run of the same name, and what it left.
    world.run(&id, &["/bin/sh", "-c", "exit 5"]);
    world.until("it is gone", || world.call("getContainerState", &about).is_err());
    assert_eq!(world.done("waitContainer", &about)["exitCode"], 5);
    world.until("its end was announced long ago", || notes(&world.path("state")).is_empty());
    world.end(Signal::KILL);
    world.start();
    assert_eq!(world.done("waitContainer", &about)["exitCode"], 5, "the last one counts");
}

/// A client that waits for the end of a container, and has begun to.
fn waiting(world: &DaemonWorld, id: &str) -> Ws {
    let mut ws = world.ws();
    let params = json!({"containerId": id});
    let wait = json!({"id": 1, "method": format!("{PLUGIN}.waitContainer"), "params": params});
    ws.send(&wait.to_string());
    has_no_answer(&mut ws);
    ws
}

/// What a client has sent is under way, and not answered.
pub(crate) fn has_no_answer(ws: &mut Ws) {
    ws.send(&json!({"id": 2, "method": format!("{PLUGIN}.versions")}).to_string());
    let answer: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(answer["id"], 2, "{answer}");
}

#[test]
fn a_container_that_is_restarted_is_not_gone() {
    let world = DaemonWorld::new();
    let ids = ["crashes", "renewed"].map(|name| world.id(name));
    let mut clients = Vec::new();
    for id in &ids {
        start(&world, id, ends_with(&world, id, 0, restarted));
        clients.push(waiting(&world, id));
    }
    signal(&world, &ids[0], "KILL");
    world.done("restartContainer", &json!({"containerId": ids[1]}));
    for (id, ws) in ids.iter().zip(&mut clients) {
        until_ready(&world, id, 2);
        has_no_answer(ws);
        signal(&world, id, "TERM");
        let answer: Value = serde_json::from_str(&ws.text()).unwrap();
        assert_eq!((&answer["id"], &answer["result"]["exitCode"]), (&json!(1), &json!(0)), "{answer}");
    }
}

#[test]
fn a_restart_that_fails_leaves_the_end_before_it() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    start(&world, &id, ends_with(&world, &id, 6, |_| {}));
    let mut ws = waiting(&world, &id);
    let config = world.path("state").join(&id).join("config.json");
    let mut broken: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    broken["process"]["args"] = json!(["/bin/not-there"]);
    std::fs::write(&config, broken.to_string()).unwrap();
    let failed = world.call("restartContainer", &json!({"containerId": id})).unwrap_err();
    assert!(failed["data"].as_str().unwrap().contains("could not be started again"), "{failed}");
    let answer: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(answer["result"]["exitCode"], 6, "{answer}");
}
