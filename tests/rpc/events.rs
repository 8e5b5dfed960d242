//! Subscriptions and events, as ThunderJS uses them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::wire::Ws;

fn subscribe(ws: &mut Ws, event: &str, prefix: &Value) -> Value {
    ws.call(&format!("{PLUGIN}.register"), &json!({"event": event, "id": prefix}))
}

#[test]
fn a_subscriber_hears_of_containers_that_anyone_starts() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let mut ws = world.ws();
    for event in ["onContainerStarted", "onContainerStopped"] {
        let answer = subscribe(&mut ws, event, &json!("client.org.rdk.OCIContainer.events"));
        assert_eq!(answer["result"], 0);
    }
    let descriptor = world.run(&id, &["sleep", "100"]);
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
    for event in ["onContainerStarted", "onContainerStopped"] {
        let expected = format!(
            r#"{{"jsonrpc":"2.0","method":"client.org.rdk.OCIContainer.events.{event}","params":{{"descriptor":"{descriptor}","name":"{id}","containerId":"{id}"}}}}"#
        );
        assert_eq!(ws.event().to_string(), expected);
    }
    assert!(world.runtime_list().is_empty(), "the container is gone when its end is told");
}

#[test]
fn prefixes_are_texts_in_any_number_and_die_with_their_connection() {
    let world = DaemonWorld::new();
    let mut ws = world.ws();
    for prefix in [json!("client.events.1"), json!(1), json!("")] {
        assert_eq!(subscribe(&mut ws, "onContainerStarted", &prefix)["result"], 0, "{prefix}");
    }
    let no_prefix = ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onContainerStopped"}));
    assert_eq!(no_prefix["result"], 0);
    let twice = subscribe(&mut ws, "onContainerStarted", &json!("1"));
    assert_eq!(twice["error"], json!({"code": -32601, "message": "Registration already done!!!."}));
    assert_eq!(subscribe(&mut ws, "onNothingKnown", &json!("x"))["result"], 0, "unknown events are accepted");
    let gone =
        ws.call(&format!("{PLUGIN}.unregister"), &json!({"event": "onContainerStarted", "id": "nope"}));
    assert_eq!(gone["error"], json!({"code": -32601, "message": "Unregister was already done!!!."}));
    let gone =
        ws.call("org.rdk.OCIContainer.2.unregister", &json!({"event": "onContainerStarted", "id": ""}));
    assert_eq!(gone["result"], 0, "the version of register and unregister is not checked");
    let mut other = world.ws();
    let id = world.id("a");
    world.run(&id, &["true"]);
    let methods = [(); 3].map(|()| {
        let message: Value = serde_json::from_str(&ws.text()).unwrap();
        assert!(message.get("id").is_none(), "{message}");
        message["method"].as_str().unwrap().to_owned()
    });
    assert_eq!(
        methods,
        ["client.events.1.onContainerStarted", "1.onContainerStarted", ".onContainerStopped"]
    );
    let answer = other.ask(r#"{"id":1,"method":"OCIContainer.versions"}"#);
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, "nobody else hears anything");
}

#[test]
fn registering_without_a_connection_is_answered_and_useless() {
    let world = DaemonWorld::new();
    let params = json!({"event": "onContainerStarted", "id": "x"});
    for _ in 0..2 {
        assert_eq!(world.done("register", &params), 0);
        assert_eq!(world.done("unregister", &params), 0);
    }
}

#[test]
fn events_of_many_containers_come_in_order_for_each() {
    let world = DaemonWorld::new();
    let mut ws = world.ws();
    for event in ["onContainerStarted", "onContainerStopped"] {
        subscribe(&mut ws, event, &json!("e"));
    }
    let ids: Vec<String> = (0..8).map(|n| world.id(&format!("n{n}"))).collect();
    let mut caller = world.ws();
    let bundle = world.bundle("b", &["true"]);
    for id in &ids {
        let params = json!({"containerId": id, "bundlePath": bundle});
        caller.send(
            &json!({"id": id, "method": format!("{PLUGIN}.startContainer"), "params": params}).to_string(),
        );
    }
    let mut heard = Vec::new();
    for _ in 0..2 * ids.len() {
        let message: Value = serde_json::from_str(&ws.text()).unwrap();
        heard.push((message["params"]["name"].as_str().unwrap().to_owned(), message["method"].to_string()));
    }
    for id in &ids {
        let of_it: Vec<_> =
            heard.iter().filter(|(name, _)| name == id).map(|(_, event)| event.as_str()).collect();
        assert_eq!(of_it, ["\"e.onContainerStarted\"", "\"e.onContainerStopped\""], "{id}");
    }
}

/// A runtime that starts nothing and says that all is well.
pub fn nothing_starts(dir: &Path) -> PathBuf {
    let runtime = dir.join("runtime");
    fs::write(&runtime, "#!/bin/sh\nexit 0\n").unwrap();
    fs::set_permissions(&runtime, Permissions::from_mode(0o755)).unwrap();
    runtime
}

#[test]
fn a_container_that_was_started_and_could_not_be_kept_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = nothing_starts(dir.path());
    let world = DaemonWorld::with(&["--runtime", runtime.to_str().unwrap()]);
    let (id, bundle) = (world.id("a"), world.bundle("b", &["true"]));
    let mut ws = world.ws();
    for event in ["onContainerStarted", "onContainerStopped", "onContainerFailed"] {
        subscribe(&mut ws, event, &json!("e"));
    }
    let error = world.call("startContainer", &json!({"containerId": id, "bundlePath": bundle})).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("left no"), "{error}");
    let expected = format!(
        r#"{{"jsonrpc":"2.0","method":"e.onContainerFailed","params":{{"descriptor":734,"name":"{id}","errorCode":1,"containerId":"{id}","error":1}}}}"#
    );
    assert_eq!(ws.event().to_string(), expected);
}

#[test]
fn who_comes_back_hears_what_happened_while_no_daemon_was_there() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let descriptor = world.run(&id, &["sleep", "1000"]);
    world.end(rustix::process::Signal::KILL);
    let mut kill = std::process::Command::new("crun");
    kill.arg("--root").arg(world.path("runtime")).args(["kill", &id, "KILL"]);
    assert!(kill.status().unwrap().success());
    world.start();
    let none = || world.done("listContainers", &json!({}))["containers"] == json!([]);
    world.until("its end was told to nobody", none);
    for _ in 0..2 {
        let mut ws = world.ws();
        subscribe(&mut ws, "onContainerStarted", &json!("e"));
        assert_eq!(subscribe(&mut ws, "onContainerStopped", &json!("e"))["result"], 0);
        let expected = json!({"jsonrpc": "2.0", "method": "e.onContainerStopped",
            "params": {"descriptor": descriptor.to_string(), "name": id, "containerId": id}});
        assert_eq!(ws.event(), expected);
    }
    // When it was started anew, that is old news.
    world.run(&id, &["sleep", "1000"]);
    let mut ws = world.ws();
    subscribe(&mut ws, "onContainerStopped", &json!("e"));
    let answer = ws.ask(r#"{"id":1,"method":"OCIContainer.versions"}"#);
    assert_eq!(answer, r#"{"jsonrpc":"2.0","id":1,"result":[]}"#);
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}
