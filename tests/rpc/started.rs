//! Waiting for a start, and what the runtime got.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;

#[test]
fn a_wait_for_a_start_ends_with_it_also_if_it_is_yet_to_come() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let error = world.call("waitContainer", &json!({"containerId": id, "state": "started", "timeout": 1}));
    assert!(error.unwrap_err()["data"].as_str().unwrap().contains("has not started in time"));
    let mut wait = Command::new(daemon_program());
    wait.arg("wait").arg("--socket").arg(world.path("socket")).args([&id, "started"]);
    let waiting = wait.stdout(Stdio::piped()).spawn().unwrap();
    let mut ws = world.ws();
    let params = json!({"containerId": id, "state": "started"});
    let method = "org.rdk.OCIContainer.1.waitContainer";
    ws.send(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string());
    let descriptor = world.run(&id, &["sleep", "100"]);
    let answer: Value = serde_json::from_str(&ws.text()).unwrap();
    let expected = json!({"containerId": id, "descriptor": descriptor, "errorReason": "", "success": true});
    assert_eq!(answer["result"], expected);
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("started, descriptor {descriptor}\n"));
    // Of one that runs already, also by its descriptor.
    let params = json!({"containerId": descriptor.to_string(), "state": "started"});
    assert_eq!(world.done("waitContainer", &params)["descriptor"], descriptor);
    let params = json!({"containerId": id, "state": "flying"});
    assert!(world.call("waitContainer", &params).is_err());
}

#[test]
fn a_dump_is_the_configuration_that_the_runtime_got() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let descriptor = world.run(&id, &["sleep", "100"]);
    let file = std::fs::read(world.path("state").join(&id).join("config.json")).unwrap();
    let expected: Value = serde_json::from_slice(&file).unwrap();
    for name in [id.clone(), descriptor.to_string()] {
        let output = world.cli(&["dump", &name]);
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expected, "{output:?}");
    }
    assert_eq!(world.done("getContainerConfig", &json!({"containerId": id}))["config"], expected);
    assert_eq!(world.cli(&["dump", "nothere"]).status.code(), Some(10));
}
