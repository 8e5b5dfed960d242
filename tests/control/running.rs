//! Dumps of containers that go on: each is announced at once, and once.

use std::fs;
use std::path::PathBuf;

use oci_minidump::control::{ContainerId, Event, Manager, StartRequest, Subscription};

use crate::minidump::{dumps, plugin};
use crate::support::hook_wrapper;
use crate::support::host_program::HostProgram;
use crate::support::manager_world::{ManagerWorld, next, until};
use crate::support::test_runtimes::runtimes;

/// What a hook without `sweep --watch` says to that.
const OLD: &str = "[ \"$2\" = --watch ] && exit 2";

/// A world whose containers have a whole dump to write, and a hook that does `first`.
fn world(name: &str, runtime: &str, first: &str) -> ManagerWorld {
    let mut world = ManagerWorld::new(name, runtime);
    dumps(&world);
    fs::copy(world.dir.join("whole"), world.dir.join("rootfs/opt/whole")).unwrap();
    world.settings.hook = Some(hook_wrapper::make(&world.dir, first));
    world
}

async fn start(world: &ManagerWorld, manager: &Manager, script: &str) -> ContainerId {
    let id = world.id("a");
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        config["rdkPlugins"] = plugin(world, true);
    });
    manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap();
    id
}

/// The next event is that of a dump of this name, which is on the host, and not in the image any more.
async fn is_announced(world: &ManagerWorld, id: &ContainerId, events: &mut Subscription, name: &str) {
    let path = world.dir.join("dumps").join(name);
    let size = fs::metadata(world.dir.join("whole")).unwrap().len();
    let name = name.to_owned();
    let event =
        Event::Minidump { id: id.clone(), name, path: path.clone(), size, truncated: false, record: None };
    assert_eq!(next(events).await, event);
    assert!(fs::read(path).unwrap() == fs::read(world.dir.join("whole")).unwrap());
}

async fn ends(world: &ManagerWorld, id: &ContainerId, manager: &Manager, events: &mut Subscription) {
    assert!(manager.list().iter().any(|listed| listed.id == *id));
    manager.stop(id, true).await.unwrap();
    let event = next(events).await;
    assert!(matches!(event, Event::Stopped { .. }), "none twice: {event:?}");
    world.nothing_is_left(manager).await;
    assert!(!world.dir.join("one.img").exists() && !world.dir.join("two.img").exists());
}

/// The processes of this world's hook that watch.
fn watching(world: &ManagerWorld) -> Vec<i32> {
    let settings = world.dir.join("hook.toml").display().to_string();
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let watches = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(&settings) && line.contains("--watch")
    };
    pids.filter(watches).collect()
}

#[tokio::test]
async fn each_of_five_children_that_crash_in_turn_is_announced_while_the_container_runs() {
    for runtime in runtimes() {
        let world = world("children", runtime, "");
        let manager = world.open().await;
        let mut events = manager.subscribe();
        let crash = "sh -c \"cat /opt/whole > /opt/one/$n.dmp; kill -SEGV \\$\\$\"";
        let script = format!("for n in 1 2 3 4 5; do {crash}; sleep 1; done; sleep 1000");
        let id = start(&world, &manager, &script).await;
        assert!(matches!(next(&mut events).await, Event::Started { .. }));
        for n in 1..=5 {
            is_announced(&world, &id, &mut events, &format!("{n}.dmp")).await;
        }
        ends(&world, &id, &manager, &mut events).await;
    }
}

#[tokio::test]
async fn a_daemon_that_starts_watches_the_containers_that_it_adopts() {
    let mut world = world("adopted", "crun", OLD);
    let manager = world.open().await;
    let script = "cat /opt/whole > /opt/one/a.dmp; echo ready; while [ ! -e /opt/go ]; do sleep 1; done; \
                  cat /opt/whole > /opt/two/b.dmp; sleep 1000";
    let id = start(&world, &manager, script).await;
    until("the dump is written", || world.log(&manager, &id).contains("ready\n")).await;
    drop(manager);
    assert!(!world.dir.join("dumps/a.dmp").exists());
    world.settings.hook = Some(hook_wrapper::make(&world.dir, ""));
    let manager = world.open().await;
    let mut events = manager.subscribe();
    is_announced(&world, &id, &mut events, "a.dmp").await;
    fs::write(world.dir.join("rootfs/opt/go"), "").unwrap();
    is_announced(&world, &id, &mut events, "b.dmp").await;
    ends(&world, &id, &manager, &mut events).await;
    drop(manager);
    until("it ends with the daemon", || watching(&world).is_empty()).await;
}

#[tokio::test]
async fn a_watch_that_was_killed_comes_again() {
    let world = world("killed", "crun", "");
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let script = "while [ ! -e /opt/go ]; do sleep 1; done; cat /opt/whole > /opt/one/a.dmp; sleep 1000";
    let id = start(&world, &manager, script).await;
    assert!(matches!(next(&mut events).await, Event::Started { .. }));
    until("the hook watches", || !watching(&world).is_empty()).await;
    let first = watching(&world);
    for pid in &first {
        let pid = rustix::process::Pid::from_raw(*pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    fs::write(world.dir.join("rootfs/opt/go"), "").unwrap();
    is_announced(&world, &id, &mut events, "a.dmp").await;
    assert!(watching(&world).iter().all(|pid| !first.contains(pid)));
    ends(&world, &id, &manager, &mut events).await;
}

/// What the daemon keeps for clients that come late.
fn retained(manager: &Manager, subscription: &Subscription) -> Vec<Event> {
    manager.replay(subscription).into_iter().map(|(_, event)| event).collect()
}

/// What comes to the host in another way while a container runs is announced with its end.
#[tokio::test]
async fn what_was_harvested_by_hand_is_announced_before_the_end() {
    let world = world("by-hand", "crun", OLD);
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let id = start(&world, &manager, "cat /opt/whole > /opt/one/a.dmp; echo ready; sleep 1000").await;
    assert!(matches!(next(&mut events).await, Event::Started { .. }));
    until("the dump is written", || world.log(&manager, &id).contains("ready\n")).await;
    let hook: PathBuf = world.dir.join("oci-minidump-hook");
    let ended =
        HostProgram::start(hook.to_str().unwrap(), ["harvest", "--running", id.as_str()]).finish().await;
    assert_eq!(ended.code, 0, "{ended}");
    manager.stop(&id, true).await.unwrap();
    is_announced(&world, &id, &mut events, "a.dmp").await;
    assert!(matches!(next(&mut events).await, Event::Stopped { .. }));
    world.nothing_is_left(&manager).await;
}

/// Dumps that were announced are not announced again by later daemons, and those that came while none looked are.
#[tokio::test]
async fn every_dump_is_announced_once_over_restarts() {
    let mut world = world("restarts", "crun", "");
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let script = "cat /opt/whole > /opt/one/a.dmp; for n in b c; do while [ ! -e /opt/$n ]; do sleep 1; done; \
                  cat /opt/whole > /opt/one/$n.dmp; echo wrote-$n; done; sleep 1000";
    let id = start(&world, &manager, script).await;
    let first = [next(&mut events).await, next(&mut events).await];
    assert!(first.iter().any(|event| matches!(event, Event::Minidump { name, .. } if name == "a.dmp")));
    let entries = || fs::read_dir(&world.settings.state_dir).unwrap().flatten();
    let delivered = || entries().all(|entry| !entry.file_name().to_string_lossy().starts_with("+ended"));
    until("the event is delivered", delivered).await;
    drop((events, manager));
    let hook = hook_wrapper::make(&world.dir, OLD);
    fs::write(world.dir.join("rootfs/opt/b"), "").unwrap();
    let path = world.settings.log_dir.join(format!("{id}.log"));
    until("the dump is written", || fs::read_to_string(&path).unwrap_or_default().contains("wrote-b\n"))
        .await;
    let by_hand = ["harvest", "--running", id.as_str()];
    let ended = HostProgram::start(hook.to_str().unwrap(), by_hand).finish().await;
    assert!(ended.code == 0 && world.dir.join("dumps/b.dmp").exists(), "{ended}");
    world.settings.hook = Some(hook);
    let manager = world.open().await;
    let names = |events: &[Event]| -> Vec<String> {
        let name = |event: &Event| match event {
            Event::Minidump { name, .. } => Some(name.clone()),
            _ => None,
        };
        events.iter().filter_map(name).collect()
    };
    assert_eq!(names(&retained(&manager, &manager.subscribe())), ["b.dmp"]);
    drop(manager);
    // The next daemon finds that it has ended. It sends once more what the last one may not have delivered.
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    let manager = world.open().await;
    let mut events = manager.subscribe();
    assert_eq!(names(&retained(&manager, &events)), ["b.dmp"]);
    assert!(matches!(next(&mut events).await, Event::Stopped { .. }));
    world.nothing_is_left(&manager).await;
}
