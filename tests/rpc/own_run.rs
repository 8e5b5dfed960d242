//! A client that runs a container follows that run, whatever another client starts under its id behind it.

use std::process::Stdio;

use serde_json::json;

use crate::attach::{state, verb};
use crate::stream_frames::{call, frame, rest, runs};
use crate::support::daemon_world::DaemonWorld;

const CREDIT: u8 = 3;
const WINDOW: usize = 64 * 1024;

#[test]
fn a_run_ends_with_its_own_container() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let first = world.bundle("first", &["sh", "-c", "echo first; sleep 1000"]);
    let other = world.bundle("other", &["sh", "-c", "echo other; exit 5"]);
    let mut command = verb(&world, &["run", &id, first.to_str().unwrap()]);
    // The other one is started whenever the id is free.
    let begun = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    world.until("it runs", || state(&world, &id) == "Running");
    let starter = || {
        let start = json!({"containerId": id, "bundlePath": other});
        (0..20).for_each(|_| {
            world.until("it is started", || world.call("startContainer", &start).is_ok());
        });
    };
    let ran = std::thread::scope(|scope| {
        let others = scope.spawn(starter);
        world.done("signalContainer", &json!({"containerId": id, "signal": "KILL"}));
        let ran = begun.wait_with_output().unwrap();
        others.join().unwrap();
        ran
    });
    assert_eq!((ran.stdout.as_slice(), ran.status.code()), (&b"first\n"[..], Some(137)), "{ran:?}");
}

/// What a client that takes no more than the first window gets of its run, while the next run of the id does as `script` says.
fn first_of_two_runs(script: &str, written: &[u8]) {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let first = world.bundle("first", &["sh", "-c", "head -c 100000 /dev/zero; exit 3"]);
    let next = world.bundle("next", &["sh", "-c", script]);
    let mut ws = world.ws();
    call(&mut ws, 1, "runContainer", json!({"containerId": id, "bundlePath": first, "readOnly": true}));
    runs(&mut ws, 1);
    world.until("it has ended", || state(&world, &id) == "gone");
    world.done("startContainer", &json!({"containerId": id, "bundlePath": next}));
    world.until("the next one writes", || world.cli(&["logs", &id]).stdout.ends_with(written));
    frame(&mut ws, CREDIT, 1, &u32::MAX.to_be_bytes());
    let (outputs, answer) = rest(&mut ws, 1);
    assert!(outputs[0] == [0; WINDOW], "{} bytes", outputs[0].len());
    let result = &answer["result"];
    assert_eq!((&result["exitCode"], &result["lost"]), (&json!(3), &json!(100_000 - WINDOW)), "{answer}");
}

#[test]
fn a_client_that_is_slow_gets_no_output_of_the_next_run() {
    first_of_two_runs("echo next; sleep 1000", b"next\n");
}

#[test]
fn a_run_ends_though_the_next_one_writes_without_end() {
    first_of_two_runs("while :; do echo next; done", b"next\n");
}
