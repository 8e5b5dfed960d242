//! A stop that one daemon accepted is seen through by the next.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use oci_minidump::control::{ContainerId, Event, State};

use crate::support::manager_world::{LONG, ManagerWorld, next, until};
use crate::support::test_runtimes::runtimes;

/// Says when SIGTERM comes, and goes on.
const DEAF: &str = "trap 'echo terminated' TERM; echo ready; while :; do sleep 0.1; done";
/// Says when SIGTERM comes, and ends.
const OBEDIENT: &str = "trap 'echo terminated; exit 0' TERM; echo ready; while :; do sleep 0.1; done";

/// The file in which a daemon keeps an accepted stop.
fn note(world: &ManagerWorld, id: &ContainerId) -> PathBuf {
    world.settings.state_dir.join(id.as_str()).join("stop.json")
}

async fn started(world: &ManagerWorld, script: &str) -> ContainerId {
    let manager = world.open().await;
    let id = world.id("a");
    world.start(&manager, &id, &world.script("b", script)).await;
    until("the container is ready", || world.log(&manager, &id).contains("ready\n")).await;
    id
}

#[tokio::test]
async fn a_container_that_ignores_it_is_killed_by_the_next_daemon() {
    for runtime in runtimes() {
        let mut world = ManagerWorld::new("deaf", runtime);
        let id = started(&world, DEAF).await;
        let manager = world.open().await;
        manager.stop(&id, false).await.unwrap();
        until("the signal arrived", || world.log(&manager, &id).contains("terminated\n")).await;
        drop(manager);
        // Through more than one daemon.
        let manager = world.open().await;
        until("it is being stopped", || manager.state(&id).unwrap() == State::Stopping).await;
        assert_eq!(world.log(&manager, &id).matches("terminated\n").count(), 1, "SIGTERM is sent once");
        drop(manager);

        world.settings.stop_timeout = Duration::from_millis(100);
        let manager = world.open().await;
        let mut events = manager.subscribe();
        manager.wait(&id, Some(LONG)).await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Stopped { id: stopped, .. } if stopped == id));
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn a_daemon_that_was_killed_before_the_signal_leaves_it_to_the_next() {
    for frozen in [false, true] {
        // The last one is what a full disk leaves.
        for text in [r#"{"kill_at": 18446744073709551615, "signalled": false}"#, "{\"kill"] {
            let world = ManagerWorld::new("unsent", "crun");
            let id = started(&world, OBEDIENT).await;
            if frozen {
                world.open().await.pause(&id).await.unwrap();
            }
            fs::write(note(&world, &id), text).unwrap();
            let manager = world.open().await;
            manager.wait(&id, Some(LONG)).await.unwrap();
            assert!(world.log(&manager, &id).contains("terminated\n"), "{}", world.log(&manager, &id));
            world.nothing_is_left(&manager).await;
        }
    }
}

#[tokio::test]
async fn the_next_run_of_a_container_knows_nothing_of_it() {
    let world = ManagerWorld::new("forgotten", "crun");
    let id = started(&world, OBEDIENT).await;
    let manager = world.open().await;
    manager.stop(&id, false).await.unwrap();
    world.start(&manager, &id, &world.dir.join("b")).await;
    assert!(!note(&world, &id).exists());
    drop(manager);
    let manager = world.open().await;
    assert_eq!(manager.state(&id).unwrap(), State::Running);
    manager.stop(&id, true).await.unwrap();
    manager.wait(&id, Some(LONG)).await.unwrap();
    world.nothing_is_left(&manager).await;
}
