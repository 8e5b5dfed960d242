//! Restarts that a client wants, and signals. Whatever ends the daemon in between, a restart that was accepted is either
//! carried out by the next daemon, or said to have failed.

use std::fs;
use std::time::Duration;

use oci_minidump::control::{
    ContainerId, Event, ExitStatus, Manager, Signal, StartRequest, State, StopOptions,
};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::support::manager_world::{LONG, ManagerWorld, next, until};
use crate::support::test_runtimes::runtimes;

/// Says what its environment and its command line are, and ends when it is asked to.
const TALKER: &str = "trap 'echo asked; exit 3' TERM; echo $COLOUR; echo ready; while :; do sleep 0.05; done";
/// Says when SIGTERM comes, and goes on.
const DEAF: &str = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done";

fn stop_after(timeout: Duration) -> StopOptions {
    StopOptions { force: false, timeout: Some(timeout) }
}

async fn started(world: &ManagerWorld, manager: &Manager, script: &str) -> ContainerId {
    let id = world.id("a");
    let bundle = world.script("b", script);
    let request =
        StartRequest { env: vec!["COLOUR=blue".to_owned()], ..StartRequest::new(id.clone(), bundle) };
    manager.start(request).await.unwrap();
    until("the container is ready", || world.log(manager, &id).contains("ready\n")).await;
    id
}

/// How often the container has begun.
fn runs(world: &ManagerWorld, manager: &Manager, id: &ContainerId) -> usize {
    world.log(manager, id).matches("ready\n").count()
}

async fn end(world: &ManagerWorld, manager: &Manager, id: &ContainerId) {
    manager.delete(id, true).await.unwrap();
    world.nothing_is_left(manager).await;
}

#[tokio::test]
async fn a_restart_stops_a_container_and_starts_it_as_it_was() {
    for runtime in runtimes() {
        for paused in [false, true] {
            let world = ManagerWorld::new("renewed", runtime);
            let manager = world.open().await;
            let id = started(&world, &manager, TALKER).await;
            let before = manager.list();
            // What is in the bundle by now is of no matter.
            fs::write(world.dir.join("b/config.json"), "{}").unwrap();
            let mut events = manager.subscribe();
            if paused {
                manager.pause(&id).await.unwrap();
            }
            let (waiting, waited) = (manager.clone(), id.clone());
            let wait = tokio::spawn(async move { waiting.wait(&waited, Some(LONG)).await });
            tokio::task::yield_now().await;
            let descriptor = manager.restart(&id, None).await.unwrap();
            assert_eq!(manager.list(), before, "id and descriptor stay");
            assert_eq!(descriptor, before[0].descriptor);
            assert!(matches!(next(&mut events).await, Event::Stopped { exit: ExitStatus::Code(3), .. }));
            assert!(matches!(next(&mut events).await, Event::Started { .. }));
            until("it is ready again", || runs(&world, &manager, &id) == 2).await;
            until("with its environment", || world.log(&manager, &id).matches("blue\n").count() == 2).await;
            // The next stop is one.
            manager.stop(&id, false).await.unwrap();
            assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), ExitStatus::Code(3));
            assert_eq!(wait.await.unwrap().unwrap(), ExitStatus::Code(3), "the end of the last run");
            world.nothing_is_left(&manager).await;
            let none = manager.restart(&id, None).await.unwrap_err();
            assert_eq!(none.kind(), ErrorKind::NotFound);
        }
    }
}

#[tokio::test]
async fn a_restart_that_a_daemon_accepted_is_carried_out_by_the_next() {
    let world = ManagerWorld::new("handed", "crun");
    let manager = world.open().await;
    let id = started(&world, &manager, DEAF).await;
    let (restarting, restarted) = (manager.clone(), id.clone());
    let restart =
        tokio::spawn(async move { restarting.restart(&restarted, Some(Duration::from_secs(3600))).await });
    until("the signal arrived", || world.log(&manager, &id).contains("asked\n")).await;
    restart.abort();
    let _cancelled = restart.await;
    drop(manager);
    // Through more than one daemon.
    let manager = world.open().await;
    until("it is being stopped", || manager.state(&id).unwrap() == State::Stopping).await;
    drop(manager);
    let manager = world.open().await;
    let mut events = manager.subscribe();
    until("it is being stopped", || manager.state(&id).unwrap() == State::Stopping).await;
    assert_eq!(world.log(&manager, &id).matches("asked\n").count(), 1, "SIGTERM is sent once");
    // That takes an hour; another client wants the same sooner.
    manager.restart(&id, Some(Duration::ZERO)).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Stopped { exit: ExitStatus::Signal(9), .. }));
    assert!(matches!(next(&mut events).await, Event::Started { .. }));
    until("it is ready again", || runs(&world, &manager, &id) == 2).await;
    end(&world, &manager, &id).await;
}

/// What is in a container's directory at each place where a daemon can be killed during a restart.
#[tokio::test]
async fn a_daemon_that_is_killed_at_any_point_of_a_restart_loses_nothing_silently() {
    let accepted = json!({"kill_at": 0, "signalled": true, "restart": true});
    for point in ["accepted", "ended", "noted", "begun"] {
        let world = ManagerWorld::new("cut", "crun");
        let manager = world.open().await;
        let id = started(&world, &manager, TALKER).await;
        let dir = world.settings.state_dir.join(id.as_str());
        drop(manager);
        let record: Value = serde_json::from_slice(&fs::read(dir.join("record.json")).unwrap()).unwrap();
        let mut accepted = accepted.clone();
        accepted["signalled"] = (point != "accepted").into();
        fs::write(dir.join("stop.json"), accepted.to_string()).unwrap();
        if point != "accepted" {
            world.runtime(&["kill", id.as_str(), "KILL"]).await;
        }
        if point == "noted" {
            let mut record = record.clone();
            record["exit"] = json!({"Signal": 9});
            fs::write(dir.join("record.json"), record.to_string()).unwrap();
        }
        if point == "begun" {
            // The note of the run before is removed a moment later.
            let mut record = record.clone();
            record["init"] = Value::Null;
            record["promised"] = true.into();
            fs::write(dir.join("record.json"), record.to_string()).unwrap();
            world.runtime(&["delete", "--force", id.as_str()]).await;
        }
        let manager = world.open().await;
        until(&format!("{point}: it is ready again"), || runs(&world, &manager, &id) == 2).await;
        until("it runs", || manager.state(&id).is_ok_and(|state| state == State::Running)).await;
        assert!(!dir.join("stop.json").exists(), "{point}: the next run knows nothing of it");
        drop(manager);
        let manager = world.open().await;
        assert_eq!(manager.state(&id).unwrap(), State::Running, "{point}");
        end(&world, &manager, &id).await;
    }
}

#[tokio::test]
async fn the_last_word_of_the_clients_counts() {
    let world = ManagerWorld::new("word", "crun");
    let manager = world.open().await;
    let id = started(&world, &manager, DEAF).await;
    let (restarting, restarted) = (manager.clone(), id.clone());
    let restart = tokio::spawn(async move { restarting.restart(&restarted, Some(LONG)).await });
    until("the signal arrived", || world.log(&manager, &id).contains("asked\n")).await;
    manager.stop_with(&id, stop_after(Duration::from_millis(10))).await.unwrap();
    let error = restart.await.unwrap().unwrap_err();
    assert!(error.report().contains("is not started again"), "{}", error.report());
    world.nothing_is_left(&manager).await;
    // The other way around: a stop that waits becomes a restart.
    world.start(&manager, &id, &world.dir.join("b")).await;
    manager.stop_with(&id, stop_after(LONG)).await.unwrap();
    manager.restart(&id, Some(Duration::from_millis(10))).await.unwrap();
    assert_eq!(manager.state(&id).unwrap(), State::Running);
    end(&world, &manager, &id).await;
}

#[tokio::test]
async fn a_container_that_cannot_be_started_again_is_said_to_have_failed() {
    let world = ManagerWorld::new("broken", "crun");
    let manager = world.open().await;
    let id = started(&world, &manager, TALKER).await;
    let config = world.settings.state_dir.join(id.as_str()).join("config.json");
    let mut broken: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    broken["process"]["args"] = json!(["/nowhere"]);
    fs::write(&config, broken.to_string()).unwrap();
    let mut events = manager.subscribe();
    let error = manager.restart(&id, None).await.unwrap_err().report();
    assert!(error.contains("could not be started again") && error.contains("/nowhere"), "{error}");
    assert!(matches!(next(&mut events).await, Event::Stopped { .. }));
    assert!(matches!(next(&mut events).await, Event::Failed { .. }));
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn a_patience_of_the_client_counts_over_a_restart_of_the_daemon() {
    let mut world = ManagerWorld::new("patience", "crun");
    let manager = world.open().await;
    let id = started(&world, &manager, DEAF).await;
    manager.stop_with(&id, stop_after(Duration::from_secs(3600))).await.unwrap();
    until("the signal arrived", || world.log(&manager, &id).contains("asked\n")).await;
    drop(manager);
    // A shorter time in the settings of the next daemon is not what the client asked for.
    world.settings.stop_timeout = Duration::from_millis(1);
    let manager = world.open().await;
    until("it is being stopped", || manager.state(&id).unwrap() == State::Stopping).await;
    let early = manager.wait(&id, Some(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Timeout, "it is not killed yet");
    manager.stop_with(&id, stop_after(Duration::from_secs(7200))).await.unwrap();
    manager.stop_with(&id, stop_after(Duration::ZERO)).await.unwrap();
    assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), ExitStatus::Signal(9));
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn a_forced_stop_is_kept_before_the_signal() {
    let world = ManagerWorld::new("forced", "crun");
    let manager = world.open().await;
    let bundle = world.bundle("b", &["/bin/sh", "-c", DEAF], |config| {
        config["annotations"] = json!({"org.rdk.restartOnCrash": "true"});
    });
    let id = world.id("a");
    world.start(&manager, &id, &bundle).await;
    manager.signal(&id, "KILL".parse::<Signal>().unwrap()).await.unwrap();
    assert!(world.settings.state_dir.join(id.as_str()).join("stop.json").exists());
    drop(manager);
    let manager = world.open().await;
    until("it is gone for good", || manager.list().is_empty()).await;
    assert_eq!(runs(&world, &manager, &id), 1);
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn signals_reach_the_first_process() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("signals", runtime);
        let manager = world.open().await;
        let script = "trap 'echo reload' HUP; trap 'echo user' USR1; trap 'exit 5' INT; \
                      trap 'echo real' 37; echo ready; \
                      while :; do sleep 0.05; done";
        let id = started(&world, &manager, script).await;
        let signals = [
            ("HUP", "reload\n"),
            ("sigusr1", "user\n"),
            ("1", "reload\n"),
            ("RTMIN+3", "real\n"),
            ("37", "real\n"),
            ("SIGRTMAX-27", "real\n"),
        ];
        for (signal, said) in signals {
            let before = world.log(&manager, &id).matches(said).count();
            manager.signal(&id, signal.parse().unwrap()).await.unwrap();
            until(signal, || world.log(&manager, &id).matches(said).count() == before + 1).await;
        }
        // One that is paused gets it when it is resumed.
        manager.pause(&id).await.unwrap();
        manager.signal(&id, "INT".parse().unwrap()).await.unwrap();
        assert_eq!(manager.state(&id).unwrap(), State::Paused);
        manager.resume(&id).await.unwrap();
        assert_eq!(manager.wait(&id, Some(LONG)).await.unwrap(), ExitStatus::Code(5));
        let gone = manager.signal(&id, "HUP".parse().unwrap()).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        world.nothing_is_left(&manager).await;
    }
}

/// A restart is refused while the container still runs, if it could only end it.
#[tokio::test]
async fn a_restart_that_cannot_be_carried_out_leaves_the_container_alone() {
    let world = ManagerWorld::new("refused", "crun");
    let manager = world.open().await;
    let id = started(&world, &manager, TALKER).await;
    let (bundle, root) = (world.dir.join("b"), world.dir.join("rootfs"));
    let refused = async |kind| {
        let error = manager.restart(&id, None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.report());
        assert_eq!(manager.state(&id).unwrap(), State::Running, "{}", error.report());
        assert!(!world.log(&manager, &id).contains("asked"));
    };
    // What another user could have put into the bundle would run with root's privileges.
    std::os::unix::fs::chown(&bundle, Some(1000), None).unwrap();
    refused(ErrorKind::Attack).await;
    std::os::unix::fs::chown(&bundle, Some(0), None).unwrap();
    fs::rename(&root, world.dir.join("away")).unwrap();
    refused(ErrorKind::Bundle).await;
    fs::rename(world.dir.join("away"), &root).unwrap();
    let stop = world.settings.state_dir.join(id.as_str()).join("stop.json");
    fs::create_dir(&stop).unwrap();
    refused(ErrorKind::System).await;
    fs::remove_dir(&stop).unwrap();
    manager.restart(&id, None).await.unwrap();
    end(&world, &manager, &id).await;
}

/// The same holds for a restart after a crash.
#[tokio::test]
async fn a_container_is_not_restarted_from_a_bundle_that_has_become_another_users() {
    let world = ManagerWorld::new("taken", "crun");
    let manager = world.open().await;
    let id = world.id("a");
    let script = "trap 'exit 1' USR1; echo ready; while :; do sleep 0.05; done";
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        config["annotations"] = json!({"org.rdk.restartOnCrash": "true"});
    });
    world.start(&manager, &id, &bundle).await;
    until("it is ready", || world.log(&manager, &id).contains("ready\n")).await;
    std::os::unix::fs::chown(&bundle, Some(1000), None).unwrap();
    let mut events = manager.subscribe();
    manager.signal(&id, "USR1".parse().unwrap()).await.unwrap();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Event::Failed { .. })) {
        seen.push(next(&mut events).await);
    }
    assert!(!seen.iter().any(|event| matches!(event, Event::Started { .. })), "{seen:?}");
    world.nothing_is_left(&manager).await;
}

/// Of what another client starts under the id meanwhile, a restart knows nothing.
#[tokio::test]
async fn a_container_that_is_started_anew_is_not_the_one_that_was_to_be_restarted() {
    let world = ManagerWorld::new("anew", "crun");
    let manager = world.open().await;
    let id = started(&world, &manager, DEAF).await;
    let (restarting, restarted) = (manager.clone(), id.clone());
    let restart = tokio::spawn(async move { restarting.restart(&restarted, Some(LONG)).await });
    until("the signal arrived", || world.log(&manager, &id).contains("asked\n")).await;
    manager.stop_with(&id, stop_after(Duration::from_millis(1))).await.unwrap();
    world.start(&manager, &id, &world.dir.join("b")).await;
    let error = restart.await.unwrap().unwrap_err();
    assert!(error.report().contains("is not started again"), "{}", error.report());
    end(&world, &manager, &id).await;
}
