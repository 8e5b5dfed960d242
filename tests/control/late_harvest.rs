//! Minidumps that come to the host later than their container's end: each is told, and once.

use std::fs;
use std::path::PathBuf;

use oci_minidump::control::{ContainerId, Event, Manager, StartRequest, Subscription};
use serde_json::{Value, json};

use crate::minidump::{dumps, plugin};
use crate::support::hook_wrapper;
use crate::support::host_program::HostProgram;
use crate::support::manager_world::{ManagerWorld, names, next, until};
use crate::support::test_runtimes::runtimes;

/// The real hook with settings of the world's. It may be told not to sweep.
fn hook(world: &ManagerWorld, sweeps: bool) -> PathBuf {
    let nothing = r#"{"harvested": [], "in_use": [], "failures": []}"#;
    let refusal = format!("[ $1 = sweep ] && {{ echo '{nothing}'; exit; }}");
    hook_wrapper::make(&world.dir, if sweeps { "" } else { &refusal })
}

/// A world with a container that has written a dump and runs on without a daemon.
async fn abandoned(name: &str) -> (ManagerWorld, ContainerId, PathBuf) {
    let mut world = ManagerWorld::new(name, "crun");
    dumps(&world);
    fs::copy(world.dir.join("whole"), world.dir.join("rootfs/opt/whole")).unwrap();
    world.settings.hook = Some(hook(&world, false));
    let manager = world.open().await;
    let id = world.id("a");
    let script = "cat /opt/whole > /opt/one/a.dmp; echo ready; sleep 1000";
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        config["rdkPlugins"] = plugin(&world, true);
    });
    manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap();
    until("the dump is written", || world.log(&manager, &id).contains("ready\n")).await;
    drop(manager);
    (world, id, bundle)
}

/// Kills the container and has the runtime and the daemon forget it, as after a power cut: no hook runs.
async fn cut_power(world: &ManagerWorld, id: &ContainerId) {
    let pid = fs::read_to_string(world.settings.state_dir.join(id.as_str()).join("container.pid")).unwrap();
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    // crun leaves the cgroups of what takes long to die.
    let lives =
        || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "));
    until("it is dead", || !lives()).await;
    let state = world.settings.runtime_root.as_ref().unwrap().join(id.as_str());
    // crun keeps a copy of the configuration for its hooks.
    let config = state.join("config.json");
    let mut without: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    without["hooks"]["poststop"] = Value::Array(Vec::new());
    fs::write(&config, without.to_string()).unwrap();
    world.runtime(&["delete", "--force", id.as_str()]).await;
    fs::remove_dir_all(world.settings.state_dir.join(id.as_str())).unwrap();
    assert!(!world.dir.join("dumps").exists(), "nobody has harvested anything");
}

async fn hears_of_the_dump(world: &ManagerWorld, id: &ContainerId, events: &mut Subscription) {
    let path = world.dir.join("dumps/a.dmp");
    let whole = fs::read(world.dir.join("whole")).unwrap();
    let size = whole.len() as u64;
    let event = Event::Minidump {
        id: id.clone(),
        name: "a.dmp".to_owned(),
        path: path.clone(),
        size,
        truncated: false,
        record: None,
    };
    assert_eq!(next(events).await, event);
    assert!(fs::read(path).unwrap() == whole);
}

async fn ends(world: &ManagerWorld, id: &ContainerId, manager: &Manager, events: &mut Subscription) {
    match next(events).await {
        Event::Stopped { id: stopped, .. } => assert_eq!(stopped, *id),
        other => panic!("{other:?}"),
    }
    world.nothing_is_left(manager).await;
    assert!(events.try_recv().is_err(), "that is all");
    assert!(!world.dir.join("one.img").exists() && !world.dir.join("two.img").exists());
}

#[tokio::test]
async fn a_daemon_that_starts_sweeps() {
    for reboot in [false, true] {
        let (mut world, id, _) = abandoned("sweep").await;
        cut_power(&world, &id).await;
        if reboot {
            fs::remove_dir_all(world.dir.join("hook/state_dir")).unwrap();
        }
        world.settings.hook = Some(hook(&world, true));
        let manager = world.open().await;
        let mut events = manager.subscribe();
        assert_eq!(manager.list(), []);
        hears_of_the_dump(&world, &id, &mut events).await;
        until("the images are gone", || !world.dir.join("two.img").exists()).await;
        assert!(events.try_recv().is_err(), "that is all");
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn what_a_sweep_and_a_deletion_both_see_is_told_once() {
    let (mut world, id, _) = abandoned("both").await;
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    world.settings.hook = Some(hook(&world, true));
    let manager = world.open().await;
    let mut events = manager.subscribe();
    hears_of_the_dump(&world, &id, &mut events).await;
    ends(&world, &id, &manager, &mut events).await;
}

/// The daemon was killed after poststop had harvested and before it told of it.
#[tokio::test]
async fn what_was_harvested_while_no_daemon_looked_is_told_by_the_next() {
    let (world, id, _) = abandoned("untold").await;
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    let bundle = world.settings.state_dir.join(id.as_str());
    let state = json!({"ociVersion": "1.0.2", "id": id.as_str(), "status": "stopped", "bundle": bundle});
    fs::write(world.dir.join("state.json"), state.to_string()).unwrap();
    let line = format!("exec \"$0\" poststop < {}", world.dir.join("state.json").display());
    let hook = world.dir.join("oci-minidump-hook");
    let ended = HostProgram::start("/bin/sh", ["-c", &line, hook.to_str().unwrap()]).finish().await;
    assert!(world.dir.join("dumps/a.dmp").exists(), "{ended}");
    let manager = world.open().await;
    let mut events = manager.subscribe();
    hears_of_the_dump(&world, &id, &mut events).await;
    ends(&world, &id, &manager, &mut events).await;
}

#[tokio::test]
async fn what_the_next_start_finds_is_told_before_it() {
    let (world, id, bundle) = abandoned("next").await;
    cut_power(&world, &id).await;
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let descriptor = manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap();
    hears_of_the_dump(&world, &id, &mut events).await;
    assert_eq!(next(&mut events).await, Event::Started { id: id.clone(), descriptor });
    fs::remove_file(world.dir.join("dumps/a.dmp")).unwrap();
    until("the next dump is written", || world.log(&manager, &id).contains("ready\n")).await;
    manager.stop(&id, true).await.unwrap();
    hears_of_the_dump(&world, &id, &mut events).await;
    ends(&world, &id, &manager, &mut events).await;
}

/// A start fails behind our hook: another one fails, or somebody kills the container's init.
#[tokio::test]
async fn a_start_that_fails_behind_the_hook_leaves_nothing() {
    for runtime in runtimes() {
        for then in ["exit 1", "kill -9 $(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/')"] {
            let mut world = ManagerWorld::new("behind", runtime);
            world.settings.hook = Some(hook(&world, true));
            let manager = world.open().await;
            let bundle = world.bundle("b", &["/bin/sleep", "1000"], |config| {
                config["rdkPlugins"] = plugin(&world, true);
                let behind =
                    json!({"path": "/bin/sh", "args": ["sh", "-c", then], "env": ["PATH=/usr/bin:/bin"]});
                config["hooks"] = json!({"prestart": [behind]});
            });
            let id = world.id("a");
            let error = manager.start(StartRequest::new(id, &bundle)).await.unwrap_err();
            let left = || {
                let images = ["one.img", "two.img"].map(|image| world.dir.join(image).exists());
                images.contains(&true) || !names(&world.dir.join("hook/state_dir")).is_empty()
            };
            until(&format!("nothing is left of {then}: {}", error.report()), || !left()).await;
            world.nothing_is_left(&manager).await;
        }
    }
}
