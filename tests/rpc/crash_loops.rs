//! Crash loops as clients hear of them: once, over restarts of the daemon, too.

use std::fs::{self, File};
use std::io::Write;

use oci_minidump::harvest::marks;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::dumps::dumping;
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::repository::sample_dump;
use crate::support::state::notes;
use crate::support::wire::Ws;

/// A container that leaves another dump in each of its lives, and crashes.
const CRASHES: &str = "echo >>/lives; cat /crash >/opt/minidumps/$(busybox wc -l </lives).dmp; exit 9";

/// Adds to the hook's settings.
fn settings(world: &DaemonWorld, text: &str) {
    let mut file = File::options().append(true).open(world.path("hook.toml")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Starts a container of a bundle with these annotations.
fn start(world: &DaemonWorld, id: &str, annotations: &Value) {
    let bundle = dumping(world, CRASHES);
    let sample = sample_dump("breakpad-segv-uid0.dmp");
    fs::copy(sample, world.path("rootfs/crash")).unwrap();
    let file = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    config["root"]["readonly"] = json!(false);
    config["annotations"] = annotations.clone();
    fs::write(&file, config.to_string()).unwrap();
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
}

fn listen(world: &DaemonWorld) -> Ws {
    let mut ws = world.ws();
    for event in ["onMinidump", "onCrashLoop", "onContainerStopped"] {
        let params = json!({"event": event, "id": "e"});
        ws.send(&json!({"id": 1, "method": format!("{PLUGIN}.register"), "params": params}).to_string());
    }
    ws
}

/// The next event and its parameters.
fn next(ws: &mut Ws) -> (String, Value) {
    loop {
        let mut message: Value = serde_json::from_str(&ws.text()).unwrap();
        if let Some(method) = message["method"].as_str().map(str::to_owned) {
            let mut params = message["params"].take();
            assert!(params.as_object_mut().unwrap().remove("sequence").is_some_and(|number| number.is_u64()));
            return (method.trim_start_matches("e.").to_owned(), params);
        }
    }
}

/// The names of the events until `ends` runs of the container have ended.
fn names(ws: &mut Ws, ends: usize) -> Vec<String> {
    let (mut all, mut ended) = (Vec::new(), 0);
    while ended < ends {
        let (name, _) = next(ws);
        ended += usize::from(name == "onContainerStopped");
        all.push(name);
    }
    all
}

#[test]
fn a_container_that_is_restarted_again_and_again_is_one_loop() {
    let world = DaemonWorld::new();
    settings(&world, "[retention]\nburst = \"3/1h\"\n");
    let (id, mut ws) = (world.id("a"), listen(&world));
    start(&world, &id, &json!({"org.rdk.restartOnCrash": "true"}));
    let first = names(&mut ws, 3);
    assert!(!first.contains(&"onCrashLoop".to_owned()), "{first:?}");
    assert_eq!(next(&mut ws).0, "onMinidump", "{}", world.log());
    let begin = marks::time(&world.path("dumps/1.dmp")).unwrap().seconds;
    let expected = json!({"name": id, "count": 4, "since": begin, "containerId": id});
    assert_eq!(next(&mut ws), ("onCrashLoop".to_owned(), expected));
    // The first life and ten restarts.
    let rest = names(&mut ws, 8);
    assert_eq!(rest.iter().filter(|name| *name == "onMinidump").count(), 7, "{rest:?}");
    assert!(!rest.contains(&"onCrashLoop".to_owned()), "{rest:?}");
}

#[test]
fn the_next_daemon_knows_what_was_delivered_and_sends_what_was_not() {
    let mut world = DaemonWorld::new();
    settings(&world, "[retention]\nburst = \"2/1h\"\n");
    let id = world.id("a");
    let mut ws = listen(&world);
    for life in 1..=3 {
        start(&world, &id, &json!({}));
        let seen = names(&mut ws, 1);
        assert_eq!(seen.contains(&"onCrashLoop".to_owned()), life == 3, "{life}: {seen:?}");
    }
    // Killed at once, the daemon cannot know that its clients have the news; later it does.
    world.end(Signal::KILL);
    world.start();
    let mut ws = listen(&world);
    let seen = names(&mut ws, 1);
    assert_eq!(seen.iter().filter(|name| *name == "onCrashLoop").count(), 1, "{seen:?} {}", world.log());
    drop(ws);
    // What was delivered does not come again with the dumps that follow.
    let mut world = DaemonWorld::new();
    settings(&world, "[retention]\nburst = \"2/1h\"\n");
    let id = world.id("b");
    let mut ws = listen(&world);
    for _ in 1..=3 {
        start(&world, &id, &json!({}));
        names(&mut ws, 1);
    }
    world.until("all is delivered", || notes(&world.path("state")).is_empty());
    for _ in 1..=2 {
        world.end(Signal::KILL);
        world.start();
        let mut ws = listen(&world);
        start(&world, &id, &json!({}));
        assert_eq!(names(&mut ws, 1), ["onMinidump", "onContainerStopped"], "{}", world.log());
        world.until("all is delivered", || notes(&world.path("state")).is_empty());
    }
}
