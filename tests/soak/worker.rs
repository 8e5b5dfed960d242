//! A client that does random things to containers that others do random things to.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::client::{Client, Gone};
use crate::counts::Counts;
use crate::place::{Place, SCRIPTS};
use crate::support::random::Random;

/// What clients do, each as often as it stands here.
const ACTIONS: [&str; 26] = [
    "start",
    "start",
    "start",
    "start",
    "start",
    "start",
    "start",
    "stop",
    "stop",
    "stop",
    "stop by force",
    "pause",
    "pause",
    "resume",
    "resume",
    "resume",
    "kill",
    "execute",
    "run",
    "info",
    "info",
    "state",
    "list",
    "logs",
    "wait",
    "delete",
];

/// Does random things until it is over.
pub(crate) fn work(place: &Place, mut random: Random, counts: &Counts, over: &AtomicBool) {
    let mut client = Client::connect(place);
    while !over.load(Ordering::Acquire) {
        let action = random.one_of(&ACTIONS);
        let id = &place.ids[random.between(0, place.ids.len() as u64) as usize];
        let (script, _) = random.one_of(&SCRIPTS);
        if action == "kill" {
            // Behind the daemon's back. What does not run cannot be killed.
            let _may_fail = place.runtime(&["kill", id, "KILL"]);
            counts.add(action, "done");
            continue;
        }
        let (method, params) = request(place, action, id, script);
        match client.call(method, &params, drop) {
            Ok(Ok(_)) => counts.add(action, "done"),
            Ok(Err(error)) => counts.refused(action, id, &error),
            Err(Gone) => {
                counts.add(action, "the daemon went");
                client = Client::connect(place);
            }
        }
    }
}

/// The method and the parameters of an action.
fn request(place: &Place, action: &str, id: &str, script: &str) -> (&'static str, Value) {
    let about = json!({"containerId": id});
    match action {
        "start" => ("startContainer", json!({"containerId": id, "bundlePath": place.bundle(id, script)})),
        "stop" => ("stopContainer", about),
        "stop by force" => ("stopContainer", json!({"containerId": id, "force": true})),
        "pause" => ("pauseContainer", about),
        "resume" => ("resumeContainer", about),
        "execute" => ("executeCommand", json!({"containerId": id, "command": "sleep 0.2"})),
        "run" => ("runCommand", json!({"containerId": id, "command": "echo hello", "timeout": 500})),
        "info" => ("getContainerInfo", about),
        "state" => ("getContainerState", about),
        "list" => ("listContainers", json!({})),
        "logs" => ("getContainerLogs", json!({"containerId": id, "bytes": 1000})),
        "wait" => ("waitContainer", json!({"containerId": id, "timeout": 100})),
        "delete" => ("deleteContainer", json!({"containerId": id, "force": true})),
        other => panic!("{other}"),
    }
}

/// Calls a method that must work.
fn done(client: &mut Client, method: &str, params: &Value) -> Value {
    let answer = client.call(method, params, drop).expect("the daemon stays");
    answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
}

fn list(client: &mut Client) -> Vec<Value> {
    done(client, "listContainers", &json!({}))["containers"].as_array().expect("a list").clone()
}

/// Deletes every container there is.
pub(crate) fn end_all(place: &Place) {
    let mut client = Client::connect(place);
    for listed in list(&mut client) {
        // It may be ending already.
        let _gone =
            client.call("deleteContainer", &json!({"containerId": listed["Id"], "force": true}), drop);
    }
    assert_eq!(list(&mut client), [Value::Null; 0], "a container does not go\n{}", place.log_end());
}

/// Every id can be used again.
pub(crate) fn nothing_is_stuck(place: &Place) {
    let mut client = Client::connect(place);
    for id in &place.ids {
        let bundle = place.bundle(id, "sleeps");
        done(&mut client, "startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        done(&mut client, "deleteContainer", &json!({"containerId": id, "force": true}));
    }
}
