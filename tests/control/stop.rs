//! Containers that do not want to stop, and those that were stopped before.

use std::time::Duration;

use oci_minidump::control::{ExitStatus, StartRequest, State, StopOptions};
use oci_minidump::error::ErrorKind;

use crate::support::manager_world::{LONG, ManagerWorld};
use crate::support::test_runtimes::runtimes;

const KILLED: ExitStatus = ExitStatus::Signal(9);

#[tokio::test]
async fn a_container_that_ignores_sigterm_is_killed_after_a_while() {
    let mut world = ManagerWorld::new("deaf", "crun");
    let manager = world.open().await;
    let (id, bundle) =
        (world.id("a"), world.script("b", "trap '' TERM; echo ready; while :; do sleep 1; done"));
    world.start(&manager, &id, &bundle).await;
    manager.stop(&id, false).await.unwrap();
    assert_eq!(manager.state(&id).unwrap(), State::Stopping, "it returns once the signal is sent");
    manager.stop(&id, false).await.unwrap();
    let early = manager.wait(&id, Some(Duration::from_millis(1))).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Timeout);
    let at_once = StopOptions { force: false, timeout: Some(Duration::ZERO) };
    manager.stop_with(&id, at_once).await.unwrap();
    assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), KILLED);
    world.nothing_is_left(&manager).await;
    drop(manager);
    // The same by the settings.
    world.settings.stop_timeout = Duration::from_millis(300);
    let manager = world.open().await;
    world.start(&manager, &id, &bundle).await;
    manager.stop(&id, false).await.unwrap();
    assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), KILLED);
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn force_kills_at_once_and_helps_a_stop_that_takes_too_long() {
    let world = ManagerWorld::new("force", "crun");
    let manager = world.open().await;
    for (name, first) in [("a", true), ("b", false)] {
        let (id, bundle) =
            (world.id(name), world.script(name, "trap '' TERM; echo ready; while :; do sleep 1; done"));
        world.start(&manager, &id, &bundle).await;
        manager.stop(&id, first).await.unwrap();
        manager.stop(&id, true).await.unwrap();
        assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), KILLED);
    }
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn a_paused_container_stops() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("paused", runtime);
        let manager = world.open().await;
        for (name, force, expected) in [("a", false, ExitStatus::Code(0)), ("b", true, KILLED)] {
            let (id, bundle) = (world.id(name), world.sleeper(name));
            world.start(&manager, &id, &bundle).await;
            manager.pause(&id).await.unwrap();
            manager.stop(&id, force).await.unwrap();
            assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), expected);
        }
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn somebody_elses_doings_are_seen() {
    let world = ManagerWorld::new("beside", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    world.runtime(&["pause", id.as_str()]).await;
    assert_eq!(manager.state(&id).unwrap(), State::Paused);
    world.runtime(&["resume", id.as_str()]).await;
    assert_eq!(manager.state(&id).unwrap(), State::Running);
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), KILLED);
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn a_start_right_after_a_stop_waits_for_the_old_one() {
    let world = ManagerWorld::new("again", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    let mut descriptors = Vec::new();
    for _ in 0..5 {
        descriptors.push(world.start(&manager, &id, &bundle).await);
        manager.stop(&id, false).await.unwrap();
    }
    manager.wait(&id, Some(LONG)).await.unwrap();
    assert_eq!(descriptors, [734, 879, 439, 731, 365], "every start gets a number of its own");
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn deleting_needs_force_while_it_runs() {
    let world = ManagerWorld::new("delete", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    assert_eq!(manager.delete(&id, false).await.unwrap_err().kind(), ErrorKind::Busy);
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
    world.start(&manager, &id, &bundle).await;
    manager.stop(&id, false).await.unwrap();
    manager.delete(&id, false).await.unwrap();
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn a_stop_during_a_start_stops_what_was_started() {
    let mut world = ManagerWorld::new("hasty", "crun");
    // The signal may come before the shell has set its trap.
    world.settings.stop_timeout = Duration::from_millis(300);
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    let starter = manager.clone();
    let request = StartRequest::new(id.clone(), &bundle);
    let start = tokio::spawn(async move { starter.start(request).await });
    while manager.state(&id).is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(manager.state(&id).unwrap(), State::Starting);
    manager.stop(&id, false).await.unwrap();
    start.await.unwrap().unwrap();
    manager.wait(&id, Some(LONG)).await.unwrap();
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn processes_that_share_the_hosts_pid_namespace_go_too() {
    let world = ManagerWorld::new("nopid", "crun");
    let manager = world.open().await;
    let id = world.id("a");
    let script = "sleep 1000 & trap 'exit 3' TERM; echo ready; while :; do sleep 1 & wait $!; done";
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|space| space["type"] != "pid");
    });
    world.start(&manager, &id, &bundle).await;
    manager.stop(&id, false).await.unwrap();
    assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), ExitStatus::Code(3));
    world.nothing_is_left(&manager).await;
}
