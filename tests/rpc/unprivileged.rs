//! A daemon of an ordinary user: what can work does, what cannot is said in one line.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};

const USER: u32 = 65534;

/// A bundle with a user namespace, in which root is the user.
fn bundle(world: &DaemonWorld, name: &str) -> std::path::PathBuf {
    let dir = world.bundle(name, &["sh", "-c", "trap 'exit 4' TERM; echo ready; sleep 1000 & wait"]);
    edit(&dir, |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        for ids in ["uidMappings", "gidMappings"] {
            config["linux"][ids] = json!([{"containerID": 0, "hostID": USER, "size": 1}]);
        }
    });
    dir
}

fn edit(bundle: &std::path::Path, change: impl FnOnce(&mut Value)) {
    let file = bundle.join("config.json");
    let mut config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    fs::write(file, config.to_string()).unwrap();
}

#[test]
fn containers_of_an_ordinary_user_start_answer_and_stop() {
    let world = DaemonWorld::of_user(USER);
    let id = world.id("a");
    let about = json!({"containerId": id});
    let mut ws = world.ws();
    ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onContainerStopped", "id": "e"}));
    let start = json!({"containerId": id, "bundlePath": bundle(&world, "b")});
    if rustix::fs::memfd_create("probe", rustix::fs::MemfdFlags::CLOEXEC).is_err() {
        // A crun without privileges copies itself into memory first.
        let error = world.call("startContainer", &start).unwrap_err();
        assert!(error["data"].as_str().unwrap().ends_with("via memory file descriptor"), "{error}");
        return;
    }
    world.done("startContainer", &start);
    world.until("it is ready", || {
        world.done("getContainerLogs", &about)["log"].as_str().unwrap().ends_with("ready\n")
    });
    let info = world.done("getContainerInfo", &about)["info"].clone();
    assert_eq!(info["pids"].as_array().unwrap().len(), 2, "{info}");
    assert_eq!(info["processes"][0]["nsPid"], 1, "{info}");
    let none = json!({"failcnt": null, "limit": null, "max": null, "usage": null});
    assert_eq!(info["memory"]["user"], none, "there is no cgroup of its own");
    let run = world.done("runCommand", &json!({"containerId": id, "command": "echo hello"}));
    assert_eq!((&run["exitCode"], &run["stdout"]), (&json!(0), &json!("hello\n")));
    let error = world.call("pauseContainer", &about).unwrap_err();
    let reason = error["data"].as_str().unwrap();
    assert!(reason.contains("cgroup") && reason.lines().count() == 1, "{error}");
    world.done("stopContainer", &about);
    assert!(ws.text().contains("onContainerStopped"));
    assert_eq!(world.done("waitContainer", &about)["exitCode"], 4);
    assert!(crate::support::state::kept(&world.path("state")).is_empty());
}

#[test]
fn what_needs_root_is_said_in_one_line() {
    let world = DaemonWorld::of_user(USER);
    // Minidumps need a loop device.
    let bundle = bundle(&world, "dumps");
    let path = json!({"image": world.path("i.img"), "containerSource": "/tmp/dumps",
        "hostDestination": world.path("dumps-of-it")});
    edit(&bundle, |config| {
        config["rdkPlugins"] = json!({"minidump": {"required": true, "data": {"paths": [path]}}});
    });
    let params = json!({"containerId": world.id("x"), "bundlePath": bundle});
    let error = world.call("startContainer", &params).unwrap_err();
    let reason = error["data"].as_str().unwrap();
    assert!(reason.starts_with("cannot start container") && reason.lines().count() == 1, "{error}");
    assert!(!world.path("i.img").exists());
    assert!(crate::support::state::kept(&world.path("state")).is_empty());
    let mut command = Command::new(world.program());
    let output = command.args(["serve", "--no-tcp"]).uid(USER).current_dir("/").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("error: ") && said.contains("run as root, or give --state-dir"), "{said}");
}
