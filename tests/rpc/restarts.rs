//! Restarts that clients want, with daemons that are killed meanwhile.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::exits::{ends_with, restarted, signal, start, until_ready};
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::host::daemon_program;
use crate::support::wire::Ws;

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
    let begin = Instant::now();
    assert!(world.cli(&["restart", &id]).status.success(), "{}", world.log());
    let whole = begin.elapsed();
    for step in 0..=12 {
        let before = runs(&world);
        let mut command = Command::new(daemon_program());
        command.arg("restart").arg("--socket").arg(world.path("socket")).arg(&id);
        let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The last ones have time for all of it.
        std::thread::sleep(whole * step / 10);
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
    assert!(runs(&world) > 2, "some of them were carried out");
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

/// Has a container's hook hold it up, once for each time that a file of this name is there.
struct Hold {
    held: PathBuf,
    reached: PathBuf,
}

impl Hold {
    /// A container that runs, and a hold in its hook of this kind; not in its first start.
    fn of(world: &DaemonWorld, id: &str, hook: &str) -> Self {
        let hold = Self {
            held: world.path(&format!("{hook}-held")),
            reached: world.path(&format!("{hook}-reached")),
        };
        let (held, reached) = (hold.held.display(), hold.reached.display());
        // crun is killed by a hook that does not read what it is given.
        let script = format!(
            "cat >/dev/null; [ ! -e {held} ] || touch {reached}; while [ -e {held} ]; do sleep 0.02; done"
        );
        let bundle = ends_with(world, &format!("bundle-{hook}"), 0, |config| {
            restarted(config);
            config["hooks"] = json!({hook: [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
        });
        start(world, id, bundle);
        std::fs::write(&hold.held, "").unwrap();
        hold
    }

    fn wait(&self, world: &DaemonWorld) {
        world.until("the hook holds it", || self.reached.exists());
    }

    fn let_go(&self) {
        std::fs::remove_file(&self.held).unwrap();
    }
}

/// A call on a connection of its own that has no answer yet.
fn pending(world: &DaemonWorld, method: &str, params: &Value) -> Ws {
    let mut ws = world.ws();
    ws.send(&json!({"id": 1, "method": format!("{PLUGIN}.{method}"), "params": params}).to_string());
    ws.send(&json!({"id": 2, "method": format!("{PLUGIN}.versions")}).to_string());
    let answer: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(answer["id"], 2, "{method}: {answer}");
    ws
}

fn answer(ws: &mut Ws) -> Value {
    let answer: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(answer["id"], 1, "{answer}");
    answer
}

/// A container that has crashed and is being cleaned up, or started again.
#[test]
fn what_is_wanted_of_a_container_that_is_being_restarted_happens_to_the_next_run() {
    for hook in ["poststop", "createRuntime"] {
        let world = DaemonWorld::new();
        let id = world.id("a");
        let hold = Hold::of(&world, &id, hook);
        signal(&world, &id, "KILL");
        hold.wait(&world);
        // What a process cannot miss, however early.
        let mut stopped = pending(&world, "signalContainer", &json!({"containerId": id, "signal": "STOP"}));
        hold.let_go();
        assert_eq!(answer(&mut stopped)["result"]["success"], true, "{hook}");
        let pid = || std::fs::read_to_string(world.path("state").join(&id).join("container.pid")).unwrap();
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid().trim())).unwrap();
        world.until("it stands still", || stat().contains(") T "));
        world.done("signalContainer", &json!({"containerId": id, "signal": "CONT"}));
        until_ready(&world, &id, 2);

        std::fs::remove_file(&hold.reached).unwrap();
        std::fs::write(&hold.held, "").unwrap();
        signal(&world, &id, "KILL");
        hold.wait(&world);
        let mut renewed = pending(&world, "restartContainer", &json!({"containerId": id}));
        hold.let_go();
        let renewed = answer(&mut renewed);
        assert!(renewed["result"]["descriptor"].is_i64(), "{hook}: {renewed}");
        assert_eq!(world.done("getContainerState", &json!({"containerId": id}))["state"], "Running");

        // A stop is the last word.
        std::fs::remove_file(&hold.reached).unwrap();
        std::fs::write(&hold.held, "").unwrap();
        signal(&world, &id, "KILL");
        hold.wait(&world);
        let mut killed = pending(&world, "signalContainer", &json!({"containerId": id, "signal": "KILL"}));
        hold.let_go();
        assert_eq!(answer(&mut killed)["result"]["success"], true, "{hook}");
        world.done("waitContainer", &json!({"containerId": id}));
        assert!(world.call("getContainerState", &json!({"containerId": id})).is_err());
    }
}

#[test]
fn a_restart_that_fails_says_why_in_kind() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let hold = Hold::of(&world, &id, "poststop");
    let mut command = Command::new(daemon_program());
    command.arg("restart").arg("--socket").arg(world.path("socket")).arg(&id);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    hold.wait(&world);
    let mut late = pending(&world, "restartContainer", &json!({"containerId": id}));
    std::fs::rename(world.path("rootfs"), world.path("aside")).unwrap();
    hold.let_go();
    let output = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(13), "{said}");
    assert!(said.contains("could not be started again") && said.contains("put it back"), "{said}");
    let late = answer(&mut late)["error"]["data"].to_string();
    assert!(late.contains("could not be started again") && late.contains("put it back"), "{late}");
    std::fs::rename(world.path("aside"), world.path("rootfs")).unwrap();
}

/// The log goes on over restarts: what a run has written is not the runtime's reason for the failure of the next one.
#[test]
fn a_container_does_not_word_the_error_of_its_restart() {
    for runtime in ["crun", "runc"] {
        let world = DaemonWorld::with(&["--runtime", runtime]);
        let id = world.id("a");
        let words = "oci-minidump-hook failed (exit code: 5) /dev/pwned ";
        let bundle = world.bundle("a", &["sh", "-c", &format!("printf '{words}'; sleep 1000")]);
        assert!(world.cli(&["start", &id, bundle.to_str().unwrap()]).status.success());
        world.until("it has written", || !world.cli(&["logs", &id]).stdout.is_empty());
        std::fs::rename(world.path("rootfs/bin/sh"), world.path("rootfs/bin/aside")).unwrap();
        let output = world.cli(&["restart", "-t", "0", &id]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("could not be started again"), "{said}");
        assert!(!said.contains("pwned") && !said.contains("attack"), "{said}");
        std::fs::rename(world.path("rootfs/bin/aside"), world.path("rootfs/bin/sh")).unwrap();
    }
}
