//! `restartOnCrash`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::daemon::{end, left, pid, start, world};
use crate::specs::with;
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::syscall_gate::SyscallGate;
use crate::support::wire::Ws;

/// A spec whose container leaves a line in `/count/runs` and then does `rest`.
fn counting(world: &DaemonWorld, rest: &str) -> (PathBuf, Value) {
    let dir = world.path("count");
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o777)).unwrap();
    let runs = dir.join("runs");
    let _none = fs::remove_file(&runs);
    let spec = with(&json!({
        "args": ["sh", "-c", format!("echo run >> /count/runs; echo said; {rest}")],
        "restartOnCrash": true,
        "console": {"path": world.path("console.log"), "limit": -1},
        "mounts": [{"source": dir, "destination": "/count", "type": "bind", "options": ["bind"]}],
    }));
    (runs, spec)
}

fn lines(file: &PathBuf) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// A connection that hears of starts, stops and failures.
fn listener(world: &DaemonWorld) -> Ws {
    let mut ws = world.ws();
    for event in ["onContainerStarted", "onContainerStopped", "onContainerFailed"] {
        ws.call(&format!("{PLUGIN}.register"), &json!({"event": event, "id": "x"}));
    }
    ws
}

/// The next event's name and descriptor.
fn event(ws: &mut Ws) -> (String, String) {
    let event: Value = serde_json::from_str(&ws.text()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&event["method"]), text(&event["params"]["descriptor"]))
}

#[test]
fn a_container_that_crashes_is_started_ten_times_again() {
    let world = world();
    let id = world.id("crash");
    let (runs, spec) = counting(&world, "exit 3");
    let mut ws = listener(&world);
    let descriptor = start(&world, &id, &spec).to_string();
    for _ in 0..11 {
        for name in ["x.onContainerStarted", "x.onContainerStopped"] {
            assert_eq!(event(&mut ws), (name.to_owned(), descriptor.clone()));
        }
    }
    world.until("it is gone for good", || left(&world).is_empty());
    assert_eq!(lines(&runs), 11);
    assert_eq!(lines(&world.path("console.log")), 11, "the output of every run is kept");
    assert_eq!(world.done("waitContainer", &json!({"containerId": id}))["exitCode"], 3);
    assert!(world.runtime_list().is_empty());
}

#[test]
fn a_killed_container_comes_back_and_a_stopped_one_does_not() {
    let world = world();
    let id = world.id("kill");
    let (runs, spec) = counting(&world, "trap 'exit 5' TERM; sleep 60 & wait");
    let descriptor = start(&world, &id, &spec);
    world.until("it runs", || lines(&runs) == 1);
    let first = i32::try_from(pid(&world, &id)).unwrap();
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    world.until("it runs again", || lines(&runs) == 2);
    let list = world.done("listContainers", &json!({}))["containers"].clone();
    assert_eq!(list, json!([{"Descriptor": descriptor, "Id": id}]));
    world.done("stopContainer", &json!({"containerId": id}));
    world.until("it is gone", || left(&world).is_empty());
    assert_eq!(lines(&runs), 2);
}

#[test]
fn it_comes_back_when_the_daemon_is_killed_between() {
    let mut world = world();
    let id = world.id("between");
    let (runs, spec) = counting(&world, "trap 'exit 5' TERM; sleep 60 & wait");
    start(&world, &id, &spec);
    world.until("it runs", || lines(&runs) == 1);
    let init = i32::try_from(pid(&world, &id)).unwrap();
    // The next start begins with this.
    let old = world.path("state").join(&id).join("container.pid");
    let gate = SyscallGate::behind(&world, 1, "/^unlink", &old);
    kill_process(Pid::from_raw(init).unwrap(), Signal::KILL).unwrap();
    world.until("it is about to be started again", || !old.exists());
    gate.kill(&mut world);
    assert_eq!(lines(&runs), 1);
    world.start();
    world.until("it runs again", || lines(&runs) == 2);
    end(&world, &id);
}

#[test]
fn neither_a_good_end_nor_an_unwanted_one_starts_it_again() {
    let world = world();
    let id = world.id("end");
    let (runs, spec) = counting(&world, "exit 0");
    start(&world, &id, &spec);
    world.until("it is gone", || left(&world).is_empty());
    assert_eq!(lines(&runs), 1);
    let (runs, mut spec) = counting(&world, "exit 3");
    spec["restartOnCrash"] = false.into();
    start(&world, &id, &spec);
    world.until("it is gone", || left(&world).is_empty());
    assert_eq!(lines(&runs), 1);
    let (runs, spec) = counting(&world, "sleep 60");
    start(&world, &id, &spec);
    end(&world, &id);
    assert!(lines(&runs) <= 1 && world.runtime_list().is_empty());
}

#[test]
fn a_crashed_container_that_cannot_start_again_has_failed() {
    let world = world();
    let id = world.id("fail");
    let (runs, spec) = counting(&world, "sleep 60");
    let mut ws = listener(&world);
    let descriptor = start(&world, &id, &spec);
    world.until("it runs", || lines(&runs) == 1);
    // The next start does not find what it is to mount.
    fs::rename(world.path("count"), world.path("gone")).unwrap();
    let first = i32::try_from(pid(&world, &id)).unwrap();
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    for name in ["x.onContainerStarted", "x.onContainerStopped"] {
        assert_eq!(event(&mut ws), (name.to_owned(), descriptor.to_string()));
    }
    let params = json!({"descriptor": descriptor, "name": id, "errorCode": 1, "containerId": id, "error": 1});
    let failed = json!({"jsonrpc": "2.0", "method": "x.onContainerFailed", "params": params});
    assert_eq!(ws.event(), failed);
    world.until("it is gone", || left(&world).is_empty());
    assert!(world.runtime_list().is_empty() && world.log().contains("cannot be restarted"));
}

#[test]
fn a_client_restarts_a_container_whose_specification_is_not_kept() {
    let world = world();
    let id = world.id("again");
    let (runs, spec) = counting(&world, "trap 'exit 0' TERM; echo ready >> /count/runs; sleep 60 & wait");
    let descriptor = start(&world, &id, &spec);
    let mut ws = listener(&world);
    for run in [2, 3] {
        world.until("it is ready", || lines(&runs) == 2 * (run - 1));
        let restarted = world.done("restartContainer", &json!({"containerId": id, "timeout": 60_000}));
        assert_eq!(restarted["descriptor"], descriptor);
        for name in ["x.onContainerStopped", "x.onContainerStarted"] {
            assert_eq!(event(&mut ws).0, name);
        }
    }
    world.until("it is ready", || lines(&runs) == 6);
    let summaries = world.done("listSummaries", &json!({}));
    assert_eq!(summaries["containers"][0]["restarts"], 0, "those for crashes are counted");
    end(&world, &id);
}
