//! What is done to a container that runs: hibernation by a memcr of ours, annotations, mounts; and interface 1.0.8.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::{fs, thread};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};

/// A memcr of ours where the daemon looks for it.
fn memcr(world: &DaemonWorld, answer: i32, gate: Option<Receiver<()>>) -> Receiver<(i32, Vec<u8>)> {
    crate::support::memcr::start(&world.path("memcr"), answer, gate)
}

fn with_memcr(flags: &[&str]) -> DaemonWorld {
    // The socket lies in the world, whose path is known once it is there.
    let socket = std::env::temp_dir().join("ocicontainer-test-without-memcr");
    let mut all = vec!["--memcr-socket", socket.to_str().unwrap()];
    all.extend(flags);
    let mut world = DaemonWorld::with(&all);
    let path = world.path("memcr").to_str().unwrap().to_owned();
    world.restart_with("--memcr-socket", &path);
    world
}

fn state(world: &DaemonWorld, id: &str) -> String {
    let state = world.done("getContainerState", &json!({"containerId": id}));
    state["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_container_hibernates_over_a_restart_of_the_daemon_and_wakes_up() {
    let mut world = with_memcr(&[]);
    let (id, requests) = (world.id("a"), memcr(&world, 0, None));
    world.run(&id, &["sleep", "100"]);
    let mut ws = world.ws();
    ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onContainerStateChanged", "id": "e"}));
    let options = json!({"containerId": id, "options": "dest=/tmp/x,compress=lz4"});
    world.done("hibernateContainer", &options);
    let mut states = [(); 2].map(|()| {
        let event: Value = serde_json::from_str(&ws.text()).unwrap();
        assert_eq!(event["params"]["containerId"], json!(id));
        event["params"]["state"].clone()
    });
    assert_eq!(states, ["Hibernating", "Hibernated"]);
    let (request, sent) = requests.recv().unwrap();
    let expected = [&200_i32.to_ne_bytes()[..], b"/tmp/x\0", &201_i32.to_ne_bytes(), &1_i32.to_ne_bytes()];
    assert_eq!((request, sent), (100, expected.concat()));
    for method in ["pauseContainer", "hibernateContainer", "mount"] {
        let params = json!({"containerId": id, "source": "/tmp", "target": "/tmp"});
        let error = world.call(method, &params).unwrap_err();
        assert!(error["data"].as_str().unwrap().contains("Hibernated"), "{error}");
    }
    world.end(Signal::KILL);
    world.start();
    assert_eq!(state(&world, &id), "Hibernated");
    let mut ws = world.ws();
    ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onContainerStateChanged", "id": "e"}));
    world.done("wakeupContainer", &json!({"containerId": id}));
    assert_eq!(requests.recv().unwrap(), (101, Vec::new()));
    states = [(); 2].map(|()| serde_json::from_str::<Value>(&ws.text()).unwrap()["params"]["state"].clone());
    assert_eq!(states, ["Awakening", "Running"]);
    let error = world.call("wakeupContainer", &json!({"containerId": id})).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("it is Running, not Hibernated"), "{error}");
}

#[test]
fn a_stop_ends_a_hibernation() {
    let world = with_memcr(&[]);
    let (id, (open, gate)) = (world.id("a"), channel());
    let requests = memcr(&world, 0, Some(gate));
    world.run(&id, &["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 1 & wait; done"]);
    // While memcr is at work: it must end that before anything is sent to the container.
    world.done("hibernateContainer", &json!({"containerId": id}));
    assert_eq!(requests.recv().unwrap().0, 100);
    assert_eq!(state(&world, &id), "Hibernating");
    let waits = thread::scope(|scope| {
        let stop = scope.spawn(|| world.done("stopContainer", &json!({"containerId": id})));
        world.until("the stop is under way", || world.log().contains("does not hibernate"));
        drop(open);
        stop.join().unwrap()
    });
    assert_eq!(waits["success"], true);
    world.done("waitContainer", &json!({"containerId": id}));
    // When it is hibernated: it is woken up, and ends by itself.
    world.run(&id, &["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 1 & wait; done"]);
    world.done("hibernateContainer", &json!({"containerId": id}));
    world.until("it hibernates", || state(&world, &id) == "Hibernated");
    world.done("stopContainer", &json!({"containerId": id}));
    assert_eq!(world.done("waitContainer", &json!({"containerId": id}))["exitCode"], 7);
}

#[test]
fn without_memcr_or_when_it_fails_the_container_runs_on() {
    let world = with_memcr(&[]);
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let error = world.call("hibernateContainer", &json!({"containerId": id})).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("cannot reach memcr"), "{error}");
    let error = world.call("hibernateContainer", &json!({"containerId": id, "options": "x=y"})).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("\"x=y\""), "{error}");
    let _requests = memcr(&world, -1, None);
    world.done("hibernateContainer", &json!({"containerId": id}));
    world
        .until("it is given up", || world.log().contains("it answers -1") && state(&world, &id) == "Running");
}

#[test]
fn annotations_are_shown_and_kept_over_restarts() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let about = json!({"containerId": id});
    assert!(world.done("getContainerInfo", &about)["info"].get("annotations").is_none());
    for (key, value) in [("b", "1"), ("a", "x"), ("b", "2")] {
        world.done("annotate", &json!({"containerId": id, "key": key, "value": value}));
    }
    world.end(Signal::KILL);
    world.start();
    assert_eq!(world.done("getContainerInfo", &about)["info"]["annotations"], json!({"a": "x", "b": "2"}));
    world.done("removeAnnotation", &json!({"containerId": id, "key": "a"}));
    assert_eq!(world.done("getContainerInfo", &about)["info"]["annotations"], json!({"b": "2"}));
    world.call("removeAnnotation", &json!({"containerId": id, "key": "a"})).unwrap_err();
    for key in [String::new(), "k".repeat(257)] {
        world.call("annotate", &json!({"containerId": id, "key": key, "value": ""})).unwrap_err();
    }
    let many = (1..64).all(|n| {
        world.call("annotate", &json!({"containerId": id, "key": format!("k{n}"), "value": ""})).is_ok()
    });
    assert!(many);
    world.call("annotate", &json!({"containerId": id, "key": "more", "value": ""})).unwrap_err();
}

#[test]
fn a_directory_is_mounted_in_a_running_container_and_taken_out() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    fs::create_dir(world.path("shared")).unwrap();
    fs::write(world.path("shared/file"), "from the host\n").unwrap();
    world.run(&id, &["sleep", "100"]);
    let run = |command: &str| {
        let words = ["sh", "-c", command];
        world.done("runCommand", &json!({"containerId": id, "command": words}))["stdout"].clone()
    };
    let at = |target: &str| json!({"containerId": id, "source": world.path("shared"), "target": target, "flags": ["bind", "ro"]});
    world.done("mount", &at("/tmp/deep/er"));
    assert_eq!(
        run("cat /tmp/deep/er/file; echo x > /tmp/deep/er/file; cat /tmp/deep/er/file"),
        "from the host\nfrom the host\n"
    );
    assert!(run("cat /proc/self/mountinfo").as_str().unwrap().contains("/tmp/deep/er ro,nosuid,nodev"));
    let here = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!here.contains("/tmp/deep/er"), "nothing of it is on the host");
    world.done("unmount", &at("/tmp/deep/er"));
    assert_eq!(run("ls /tmp/deep/er"), "");
    world.call("unmount", &at("/tmp/deep/er")).unwrap_err();
    world.call("unmount", &at("/proc")).unwrap_err();
    for target in ["/proc/x", "/proc", "/proc/self/x/y"] {
        let error = world.call("mount", &at(target)).unwrap_err()["data"].to_string();
        assert!(error.contains("leads into proc; choose another path in the container"), "{target}: {error}");
    }
    for target in ["tmp/x", "/tmp/../x", "", "/", "/proc/x"] {
        assert!(world.call("mount", &at(target)).is_err(), "{target}");
    }
    let mut wrong = at("/tmp/x");
    wrong["flags"] = json!(["suid"]);
    world.call("mount", &wrong).unwrap_err();
}

#[test]
fn a_mount_that_was_noted_and_not_made_does_no_harm() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    fs::create_dir(world.path("shared")).unwrap();
    fs::write(world.path("shared/file"), "from the host\n").unwrap();
    world.run(&id, &["sleep", "100"]);
    let at = json!({"containerId": id, "source": world.path("shared"), "target": "/tmp/x"});
    let shown = |world: &DaemonWorld| {
        let words = json!({"containerId": id, "command": ["sh", "-c", "cat /tmp/x/file"]});
        world.done("runCommand", &words)["stdout"].clone()
    };
    world.done("mount", &at);
    // What a daemon leaves that is killed right before it mounts the next ones.
    world.end(Signal::KILL);
    let path = world.path("state").join(&id).join("mounts.json");
    let mut note: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for number in 0..63_u32 {
        note["mounts"].as_array_mut().unwrap().push(json!({"target": "/tmp/x", "id": u32::MAX - number}));
    }
    fs::write(&path, note.to_string()).unwrap();
    world.start();
    // They neither count nor hide the one below them.
    world.done("mount", &at);
    for expected in ["from the host\n", "from the host\n"] {
        assert_eq!(shown(&world), expected);
        world.done("unmount", &at);
    }
    assert_eq!(shown(&world), "");
    let error = world.call("unmount", &at).unwrap_err()["data"].to_string();
    assert!(error.contains("nothing was mounted on /tmp/x"), "{error}");
}

#[test]
fn a_hostile_path_never_leads_a_mount_out_of_the_container() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let outside = world.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(world.path("shared")).unwrap();
    world.run(&id, &["sleep", "100"]);
    let links = format!(
        "ln() {{ busybox ln \"$@\"; }}; ln -s {} /tmp/abs; ln -s ../../../../../../.. /tmp/up; ln -s /proc/1/root /tmp/magic; \
         ln -s / /tmp/root; ln -s loop /tmp/loop; echo x > /tmp/file",
        outside.display()
    );
    world.done("runCommand", &json!({"containerId": id, "command": ["sh", "-c", links]}));
    for target in
        ["/tmp/abs", "/tmp/up", "/tmp/magic/tmp", "/tmp/root", "/tmp/loop", "/tmp/file", "/tmp/file/x"]
    {
        let params = json!({"containerId": id, "source": world.path("shared"), "target": target});
        let outcome = world.call("mount", &params);
        assert!(outcome.is_err(), "{target}: {outcome:?}");
    }
    let here = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!here.contains(outside.to_str().unwrap()), "nothing is mounted outside");
    assert_eq!(state(&world, &id), "Running");
}

#[test]
fn clients_of_the_later_interface_get_states_in_upper_case() {
    let world = DaemonWorld::with(&["--api", "1.0.8"]);
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    assert_eq!(state(&world, &id), "RUNNING");
    let about = json!({"containerId": id});
    assert_eq!(world.done("getContainerInfo", &about)["info"]["state"], "running");
    let mut ws = world.ws();
    ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onContainerStateChanged", "id": "e"}));
    world.done("pauseContainer", &about);
    let expected = json!({"containerId": id, "name": id, "state": "PAUSED"});
    assert_eq!(ws.event()["params"], expected);
}

#[test]
fn a_start_is_answered_before_it_is_announced() {
    let world = DaemonWorld::new();
    for round in 0..5 {
        let mut ws = world.ws();
        ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onContainerStarted", "id": "e"}));
        let id = world.id(&format!("a{round}"));
        let bundle = world.bundle(&format!("bundle-{id}"), &["sleep", "100"]);
        let params = json!({"containerId": id, "bundlePath": bundle});
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": format!("{PLUGIN}.startContainer"), "params": params});
        ws.send(&request.to_string());
        let answer: Value = serde_json::from_str(&ws.text()).unwrap();
        assert_eq!(answer["id"], 7, "{answer}");
        assert!(ws.text().contains("e.onContainerStarted"));
    }
}

fn executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Between the look at its state and the runtime's work another client pauses the container.
#[test]
fn a_command_in_a_container_that_is_paused_meanwhile_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (runtime, pause) = (dir.path().join("runtime"), dir.path().join("pause"));
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' exec '*) {}; exec sleep 1000 ;; esac\nexec crun \"$@\"\n",
        pause.display()
    );
    executable(&runtime, &script);
    let world = DaemonWorld::with(&["--runtime", runtime.to_str().unwrap(), "--runtime-timeout", "10"]);
    let id = world.id("a");
    let socket = world.path("socket");
    executable(
        &pause,
        &format!("#!/bin/sh\n{} --socket {} pause {id}\n", world.program().display(), socket.display()),
    );
    world.run(&id, &["sleep", "100"]);
    let error = world.call("executeCommand", &json!({"containerId": id, "command": "true"})).unwrap_err();
    assert!(
        error["data"]
            .as_str()
            .unwrap()
            .ends_with("the container was paused meanwhile; resume it and try again")
    );
    world.done("resumeContainer", &json!({"containerId": id}));
}
