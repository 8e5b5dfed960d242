//! What a start changes in the bundle's configuration, and what it leaves alone.

use std::os::unix::net::UnixListener;
use std::{fs, path::Path};

use oci_minidump::control::{Event, StartRequest};
use serde_json::{Value, json};

use crate::support::manager_world::{LONG, ManagerWorld, next};
use crate::support::test_runtimes::runtimes;

/// What the runtime got.
fn shadow(world: &ManagerWorld, id: &str) -> Value {
    serde_json::from_slice(&fs::read(world.settings.state_dir.join(id).join("config.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn command_environment_and_socket_reach_the_program() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("wishes", runtime);
        let manager = world.open().await;
        let (id, bundle) = (world.id("a"), world.sleeper("b"));
        let before = fs::read(bundle.join("config.json")).unwrap();
        let socket = world.dir.join("westeros.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let script =
            "env; test -S /tmp/westeros && echo socket; test -t 1 || echo no terminal; echo \"$0\"; cat";
        let request = StartRequest {
            command: Some(format!("/bin/sh -c '{script}' 'a  b;c'")),
            westeros_socket: Some(socket),
            env: vec!["COLOUR=blue".to_owned(), "EMPTY=".to_owned(), "ODD=a=b c".to_owned()],
            ..StartRequest::new(id.clone(), &bundle)
        };
        manager.start(request).await.unwrap();
        manager.wait(&id, Some(LONG)).await.expect("stdin is at its end, so cat ends");
        let log = world.log(&manager, &id);
        for line in [
            "PATH=/bin",
            "COLOUR=blue",
            "EMPTY=",
            "ODD=a=b c",
            "WAYLAND_DISPLAY=westeros",
            "XDG_RUNTIME_DIR=/tmp",
            "socket",
            "no terminal",
            "a  b;c",
        ] {
            assert!(log.lines().any(|other| other == line), "{line:?} is not in\n{log}");
        }
        assert!(!log.contains("COLOUR=red"), "the request's value replaces the bundle's");
        assert_eq!(fs::read(bundle.join("config.json")).unwrap(), before, "the bundle is never written");
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn nothing_is_dropped_and_relative_paths_keep_their_meaning() {
    let world = ManagerWorld::new("shadow", "crun");
    let manager = world.open().await;
    let id = world.id("a");
    let script = "cat /data/file; trap 'exit 0' TERM; while :; do sleep 1000 & echo ready; wait; done";
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        let mount = json!({"destination": "/data", "source": "data", "options": ["rbind", "ro"]});
        config["mounts"].as_array_mut().unwrap().push(mount);
    });
    fs::create_dir(bundle.join("data")).unwrap();
    fs::write(bundle.join("data/file"), "beside the bundle's config\n").unwrap();
    world.start(&manager, &id, &bundle).await;
    assert!(world.log(&manager, &id).contains("beside the bundle's config\n"));

    let mut expected: Value = serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    expected["process"]["terminal"] = false.into();
    expected["root"]["path"] = world.dir.join("rootfs").to_str().into();
    expected["mounts"][3]["source"] = bundle.join("data").to_str().into();
    let shadow = shadow(&world, id.as_str());
    assert_eq!(shadow, expected);
    assert_eq!(
        shadow.as_object().unwrap().keys().collect::<Vec<_>>(),
        expected.as_object().unwrap().keys().collect::<Vec<_>>(),
        "the order stays, too"
    );
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn the_caller_may_go_away() {
    let world = ManagerWorld::new("gone", "crun");
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    {
        let start = manager.start(StartRequest::new(id.clone(), &bundle));
        tokio::pin!(start);
        tokio::select! {
            biased;
            done = &mut start => panic!("it cannot be done yet: {done:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(next(&mut events).await, Event::Started { id: id.clone(), descriptor: 734 });
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn files_of_the_state_are_for_root_alone() {
    use std::os::unix::fs::MetadataExt;
    let world = ManagerWorld::new("modes", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    let shelf = world.settings.state_dir.join(id.as_str());
    assert_eq!(mode(&world.settings.state_dir), 0o700);
    assert_eq!(mode(&shelf), 0o700);
    assert_eq!(mode(&shelf.join("config.json")), 0o600);
    manager.delete(&id, true).await.unwrap();
}
