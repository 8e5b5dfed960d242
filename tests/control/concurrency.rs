//! Many containers at once, and many callers of one.

use std::collections::BTreeSet;

use oci_minidump::control::{Event, ExecRequest, Manager, StartRequest, State};
use oci_minidump::error::ErrorKind;

use crate::support::host::{fifo, release};
use crate::support::manager_world::{LONG, ManagerWorld, next, until};

#[tokio::test]
async fn fifty_at_once() {
    let world = ManagerWorld::new("fifty", "crun");
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let bundle = world.sleeper("b");
    let ids: Vec<_> = (0..50).map(|number| world.id(&format!("a{number}"))).collect();
    let starts: Vec<_> = ids
        .iter()
        .map(|id| {
            let (manager, request) = (manager.clone(), StartRequest::new(id.clone(), &bundle));
            tokio::spawn(async move { manager.start(request).await.unwrap() })
        })
        .collect();
    let mut descriptors = BTreeSet::new();
    for start in starts {
        descriptors.insert(start.await.unwrap());
    }
    assert_eq!(descriptors.len(), 50);
    assert_eq!(
        manager.list().iter().map(|listed| &listed.id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    for id in &ids {
        assert_eq!(manager.state(id).unwrap(), State::Running);
        manager.stop(id, true).await.unwrap();
    }
    for id in &ids {
        manager.wait(id, Some(LONG)).await.unwrap();
    }
    let (mut started, mut stopped) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..100 {
        match next(&mut events).await {
            Event::Started { descriptor, .. } => assert!(started.insert(descriptor)),
            Event::Stopped { descriptor, .. } => {
                assert!(started.contains(&descriptor), "no end before the beginning");
                assert!(stopped.insert(descriptor));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        crate::support::manager_world::is_quiet(&mut events)
            && started == descriptors
            && stopped == descriptors
    );
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn of_two_starts_of_one_id_one_wins() {
    let world = ManagerWorld::new("two", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    for _ in 0..5 {
        let start = || manager.start(StartRequest::new(id.clone(), &bundle));
        let (first, second) = tokio::join!(start(), start());
        let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
        won.unwrap();
        let lost = lost.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Busy, "{}", lost.report());
        assert_eq!(manager.state(&id).unwrap(), State::Running, "the winner's container is unharmed");
        let delete = || manager.delete(&id, true);
        let (first, second) = tokio::join!(delete(), delete());
        first.unwrap();
        assert!(second.is_ok() || second.unwrap_err().kind() == ErrorKind::NotFound);
    }
    world.nothing_is_left(&manager).await;
}

/// What one of the callers below does next.
async fn act(manager: &Manager, request: StartRequest, choice: u32) -> oci_minidump::error::Result<()> {
    let id = request.id.clone();
    match choice % 8 {
        0 | 1 => manager.start(request).await.map(drop),
        2 => manager.stop(&id, true).await,
        3 => manager.delete(&id, true).await,
        4 => manager.pause(&id).await,
        5 => manager.resume(&id).await,
        6 => manager.info(&id).await.map(drop),
        _ => manager.exec(&id, ExecRequest::parse("true", "")?).await,
    }
}

/// Callers who know nothing of each other: every answer is one of a few, and in the end nothing is left.
#[tokio::test]
async fn a_race_on_one_id_has_defined_answers() {
    let world = ManagerWorld::new("race", "crun");
    let manager = world.open().await;
    let request = StartRequest::new(world.id("a"), world.sleeper("b"));
    let callers: Vec<_> = (1..=4_u32)
        .map(|seed| {
            let (manager, request) = (manager.clone(), request.clone());
            tokio::spawn(async move {
                let mut choice = seed;
                for _ in 0..40 {
                    choice = choice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let Err(error) = act(&manager, request.clone(), choice >> 16).await else { continue };
                    let report = error.report();
                    let known = [ErrorKind::Busy, ErrorKind::NotFound].contains(&error.kind());
                    // The container may end under the hands of the runtime.
                    let overtaken = ["pause", "resume", "exec"].iter().any(|verb| report.contains(verb));
                    assert!(known || overtaken, "{report}");
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(LONG * 3, caller).await.expect("no deadlock").unwrap();
    }
    if manager.state(&request.id).is_ok() {
        manager.delete(&request.id, true).await.unwrap();
    }
    world.nothing_is_left(&manager).await;
}

/// One slow container holds up nobody else.
#[tokio::test]
async fn locks_are_per_container() {
    let mut world = ManagerWorld::new("slow", "crun");
    world.settings.hook = None;
    world.settings.runtime_timeout = LONG * 3;
    let manager = world.open().await;
    let (begun, go) = (world.dir.join("begun"), fifo(world.dir.join("go")));
    let script = format!("cat > {}; read go < {}", begun.display(), go.display());
    let slow = world.bundle("slow", &["true"], |config| {
        let hook = serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", script]});
        config["hooks"] = serde_json::json!({"prestart": [hook]});
    });
    let (starter, request) = (manager.clone(), StartRequest::new(world.id("slow"), slow));
    let slow = tokio::spawn(async move { starter.start(request).await });
    until("the slow one is at it", || begun.exists()).await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    manager.delete(&id, true).await.unwrap();
    assert_eq!(manager.state(&world.id("slow")).unwrap(), State::Starting, "the slow one is still at it");
    release(&go);
    slow.await.unwrap().unwrap();
    manager.wait(&world.id("slow"), Some(LONG)).await.unwrap();
    world.nothing_is_left(&manager).await;
}
