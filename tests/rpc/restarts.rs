//! Restarts that clients want, with daemons that are killed meanwhile.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;

/// Wherever the daemon is killed: the container runs in the end, it ended at most once for the one restart, and a client that
/// was answered was answered truly.
#[test]
fn a_daemon_that_is_killed_during_a_restart_loses_no_container() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"]);
    let runs = |world: &DaemonWorld| {
        let past = world.done("listEvents", &json!({}));
        let started = |entry: &&Value| entry["event"] == "onContainerStarted";
        past["events"].as_array().unwrap().iter().filter(started).count()
    };
    world.until("it runs", || runs(&world) == 1);
    for step in 0..12 {
        let before = runs(&world);
        let mut command = Command::new(daemon_program());
        command.arg("restart").arg("--socket").arg(world.path("socket")).arg(&id);
        let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(step * 8));
        world.end(Signal::KILL);
        let answer = client.wait_with_output().unwrap();
        world.start();
        let about = json!({"containerId": id});
        world.until("it runs", || world.done("getContainerState", &about)["state"] == "Running");
        let accepted = world.path("state").join(&id).join("stop.json");
        world.until("nothing is left to do", || !accepted.exists());
        world.until("it runs", || world.done("getContainerState", &about)["state"] == "Running");
        let expected = if answer.status.success() { &[before + 1][..] } else { &[before, before + 1] };
        assert!(expected.contains(&runs(&world)), "{before} before, {} now, {answer:?}", runs(&world));
        assert!([Some(0), Some(12)].contains(&answer.status.code()), "{answer:?}");
    }
    assert!(runs(&world) > 1, "some of them were carried out");
}

/// What the runtime started when no daemon was there, and what has ended by the time there is one.
#[test]
fn a_run_that_no_daemon_saw_is_announced_with_its_end() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["sh", "-c", "exit 3"]);
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Held until the daemon is killed; it goes with the world's directory, too.
    let hold = world.path("hold");
    std::fs::write(&hold, "").unwrap();
    let begun = world.path("begun");
    let wait = format!("touch {}; while [ -e {} ]; do sleep 0.05; done", begun.display(), hold.display());
    config["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", wait]}]});
    std::fs::write(&path, config.to_string()).unwrap();
    let mut command = Command::new(daemon_program());
    command.arg("start").arg("--socket").arg(world.path("socket")).arg(&id).arg(&bundle);
    let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let state = world.path("state").join(&id);
    world.until("the runtime makes it", || begun.exists());
    world.end(Signal::KILL);
    client.wait().unwrap();
    std::fs::remove_file(&hold).unwrap();
    world.until("it has ended", || state.join("exit.json").exists());
    world.start();
    world.until("its end is announced", || {
        let past = world.done("listEvents", &json!({}));
        let all = past["events"].as_array().unwrap();
        let of = |event: &str| all.iter().find(|entry| entry["event"] == event).cloned();
        of("onContainerStarted").is_some() && of("onContainerStopped").is_some_and(|end| end["exitCode"] == 3)
    });
    world.until("nothing is left", || !state.exists());
}
