//! Waiting for a start, and what the runtime got.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::waits::has_no_answer;

/// Whether a client waits for an answer that the daemon does not give, though it has answered others meanwhile.
fn is_waiting(world: &DaemonWorld, client: u32) -> bool {
    let process = |name: &str| PathBuf::from(format!("/proc/{client}/{name}"));
    let links = || fs::read_dir(process("fd")).unwrap().flatten().flat_map(|fd| fs::read_link(fd.path()));
    let is_connected = links().any(|link| link.to_string_lossy().starts_with("socket:"));
    // It sleeps, and has not woken up in between.
    let status = || {
        let status = fs::read_to_string(process("status")).unwrap();
        let of_sleep = |line: &&str| line.starts_with("State:") || line.contains("ctxt_switches");
        status.lines().filter(of_sleep).collect::<String>()
    };
    let before = status();
    (0..10).for_each(|_| drop(world.done("versions", &json!({}))));
    is_connected && before.contains("sleeping") && status() == before
}

#[test]
fn a_wait_for_a_start_ends_with_it_also_if_it_is_yet_to_come() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let error = world.call("waitContainer", &json!({"containerId": id, "state": "started", "timeout": 1}));
    assert!(error.unwrap_err()["data"].as_str().unwrap().contains("has not started in time"));
    let mut wait = Command::new(daemon_program());
    wait.arg("wait").arg("--socket").arg(world.path("socket")).args([&id, "started"]);
    let waiting = wait.stdout(Stdio::piped()).spawn().unwrap();
    world.until("the client waits", || is_waiting(&world, waiting.id()));
    let mut ws = world.ws();
    let params = json!({"containerId": id, "state": "started"});
    let method = "org.rdk.OCIContainer.1.waitContainer";
    ws.send(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string());
    has_no_answer(&mut ws);
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
    let file = fs::read(world.path("state").join(&id).join("config.json")).unwrap();
    let expected: Value = serde_json::from_slice(&file).unwrap();
    for name in [id.clone(), descriptor.to_string()] {
        let output = world.cli(&["dump", &name]);
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), expected, "{output:?}");
    }
    assert_eq!(world.done("getContainerConfig", &json!({"containerId": id}))["config"], expected);
    assert_eq!(world.cli(&["dump", "nothere"]).status.code(), Some(10));
}
