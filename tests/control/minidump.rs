//! Bundles that ask for minidumps: the hook is registered, and what it brings is told before the end is.
//!
//! Where a test needs dumps in a certain way, the hook is a script that puts them where the real one would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use oci_minidump::control::{Event, ExitStatus, Manager, StartRequest};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::support::manager_world::{LONG, ManagerWorld, next};
use crate::support::test_runtimes::runtimes;

pub(crate) fn plugin(world: &ManagerWorld, required: bool) -> Value {
    let path = |name: &str| world.dir.join(name);
    json!({"minidump": {"required": required, "data": {"paths": [
        {"image": path("one.img"), "containerSource": "/opt/one", "hostDestination": path("dumps")},
        {"image": path("two.img"), "containerSource": "/opt/two", "hostDestination": path("dumps")}
    ]}}})
}

/// A hook that does `at_poststop` when the container is deleted. It reads its stdin: crun dies of SIGPIPE otherwise.
fn hook(world: &ManagerWorld, at_poststop: &str) -> PathBuf {
    let path = world.dir.join("oci-minidump-hook");
    let said = world.dir.join("hook-said");
    let script = format!(
        "#!/bin/busybox sh\n[ $1 = sweep ] && exit\necho $1 >> {}\nread state\n[ $1 = poststop ] || exit 0\ncd {}\n{at_poststop}\n",
        said.display(),
        world.dir.join("dumps").display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(world.dir.join("dumps")).unwrap();
    path
}

/// A whole minidump of no streams but the system's, and the same cut.
pub(crate) fn dumps(world: &ManagerWorld) {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/minidumps");
    let sample = fs::read_dir(&samples).unwrap().flatten().map(|entry| entry.path());
    let sample = sample.filter(|path| path.extension().is_some_and(|extension| extension == "dmp")).min();
    let whole = fs::read(sample.expect("there are sample dumps")).unwrap();
    fs::write(world.dir.join("whole"), &whole).unwrap();
    fs::write(world.dir.join("cut"), &whole[..whole.len() / 2]).unwrap();
}

async fn run(world: &ManagerWorld, manager: &Manager, required: bool) -> Vec<Event> {
    let mut events = manager.subscribe();
    let id = world.id("a");
    let bundle = world.bundle("b", &["/bin/sh", "-c", "exit 6"], |config| {
        config["rdkPlugins"] = plugin(world, required);
    });
    world.start(manager, &id, &bundle).await;
    manager.wait(&id, Some(LONG)).await.unwrap();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Event::Stopped { .. })) {
        seen.push(next(&mut events).await);
    }
    world.nothing_is_left(manager).await;
    seen
}

#[tokio::test]
async fn dumps_are_told_before_the_end() {
    let mut world = ManagerWorld::new("dumps", "crun");
    dumps(&world);
    let script = "cp ../whole new.dmp; cp ../cut cut.dmp; cp ../whole other.txt; echo x > no.dmp";
    world.settings.hook = Some(hook(&world, script));
    fs::write(world.dir.join("dumps/old.dmp"), "was there").unwrap();
    let manager = world.open().await;
    let seen = run(&world, &manager, true).await;
    let id = world.id("a");
    let dump = |name: &str, truncated| {
        let path = world.dir.join("dumps").join(name);
        let size = fs::metadata(&path).unwrap().len();
        Event::Minidump { id: id.clone(), name: name.to_owned(), path, size, truncated, record: None }
    };
    let expected = [
        Event::Started { id: id.clone(), descriptor: 734 },
        dump("cut.dmp", true),
        dump("new.dmp", false),
        dump("no.dmp", true),
        Event::Stopped { id: id.clone(), descriptor: 734, exit: ExitStatus::Code(6) },
    ];
    assert_eq!(seen, expected);
    assert_eq!(fs::read_to_string(world.dir.join("hook-said")).unwrap(), "prestart\npoststop\n");
}

#[tokio::test]
async fn what_the_real_hook_harvests_is_told_on_every_runtime() {
    for runtime in runtimes() {
        let mut world = ManagerWorld::new("harvest", runtime);
        dumps(&world);
        for sample in ["whole", "cut"] {
            fs::copy(world.dir.join(sample), world.dir.join("rootfs/opt").join(sample)).unwrap();
        }
        world.settings.hook = Some(crate::support::hook_wrapper::make(&world.dir, ""));
        let manager = world.open().await;
        let mut events = manager.subscribe();
        let id = world.id("a");
        let script = "cat /opt/whole > /opt/one/a.dmp; cat /opt/cut > /opt/two/b.dmp; exit 6";
        let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
            config["rdkPlugins"] = plugin(&world, true);
        });
        world.start(&manager, &id, &bundle).await;
        manager.wait(&id, Some(LONG)).await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Started { .. }));
        for (expected, sample, cut) in [("a.dmp", "whole", false), ("b.dmp", "cut", true)] {
            match next(&mut events).await {
                Event::Minidump { name, path, size, truncated, .. } => {
                    assert_eq!((&*name, truncated), (expected, cut), "{}", world.log(&manager, &id));
                    assert_eq!(fs::read(path).unwrap(), fs::read(world.dir.join(sample)).unwrap());
                    assert_eq!(size, fs::metadata(world.dir.join(sample)).unwrap().len());
                }
                other => panic!("{runtime}: {other:?}"),
            }
        }
        let exit = ExitStatus::Code(6);
        assert_eq!(next(&mut events).await, Event::Stopped { id, descriptor: 734, exit });
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn a_hook_that_is_registered_is_not_registered_again() {
    let mut world = ManagerWorld::new("already", "crun");
    let path = hook(&world, "true");
    world.settings.hook = Some(world.dir.join("another/oci-minidump-hook"));
    let manager = world.open().await;
    let id = world.id("a");
    let bundle = world.bundle("b", &["true"], |config| {
        config["rdkPlugins"] = plugin(&world, true);
        config["hooks"] = json!({"poststop": [{"path": path, "args": ["x", "poststop"]}]});
    });
    world.start(&manager, &id, &bundle).await;
    manager.wait(&id, Some(LONG)).await.unwrap();
    assert_eq!(fs::read_to_string(world.dir.join("hook-said")).unwrap(), "poststop\n");
}

/// Two containers end at the same time, with the same directory: each dump is told once, of its own container.
#[tokio::test]
async fn a_shared_directory_mixes_nothing_up() {
    let mut world = ManagerWorld::new("shared", "crun");
    // The state on stdin tells whose end it is.
    let name = r#"id=$(echo "$state" | sed 's/.*"id": *"\([^"]*\)".*/\1/'); sleep 0.1; echo > $id.dmp"#;
    world.settings.hook = Some(hook(&world, &format!("PATH=/usr/bin:/bin\n{name}")));
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let bundle = world.bundle("b", &["/bin/sleep", "1000"], |config| {
        config["rdkPlugins"] = json!({"minidump": {"required": true, "data": {"paths": [{
            "image": world.dir.join("i.img"),
            "containerSource": "/opt/one",
            "hostDestination": world.dir.join("dumps")
        }]}}});
    });
    let ids: Vec<_> = (0..5).map(|number| world.id(&format!("a{number}"))).collect();
    for id in &ids {
        world.start(&manager, id, &bundle).await;
    }
    for id in &ids {
        manager.stop(id, true).await.unwrap();
    }
    let mut dumps = 0;
    for _ in 0..15 {
        if let Event::Minidump { id, name, .. } = next(&mut events).await {
            assert_eq!(name, format!("{id}.dmp"));
            dumps += 1;
        }
    }
    assert_eq!(dumps, 5);
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn without_the_hook_only_those_start_that_can_do_without() {
    let mut world = ManagerWorld::new("hookless", "crun");
    // Beside the test's own program there is none either.
    world.settings.hook = None;
    let manager = world.open().await;
    if PathBuf::from("/usr/libexec/oci/hooks.d/oci-minidump-hook").exists() {
        panic!("this test needs a host without the hook");
    }
    let bundle = world.bundle("b", &["true"], |config| config["rdkPlugins"] = plugin(&world, true));
    let error = manager.start(StartRequest::new(world.id("a"), bundle)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.report().contains("there is no oci-minidump-hook"), "{}", error.report());
    let bundle = world.bundle("c", &["true"], |config| config["rdkPlugins"] = plugin(&world, false));
    world.start(&manager, &world.id("a"), &bundle).await;
    manager.wait(&world.id("a"), Some(LONG)).await.unwrap();
    world.nothing_is_left(&manager).await;
}

/// crun throws away what a hook says.
#[tokio::test]
async fn the_exit_code_of_a_hook_that_fails_a_start_is_explained() {
    let mut world = ManagerWorld::new("explained", "crun");
    let program = hook(&world, "");
    fs::write(&program, "#!/bin/busybox sh\n[ $1 = sweep ] && exit\nread state\nexit 7\n").unwrap();
    world.settings.hook = Some(program);
    let manager = world.open().await;
    let bundle = world.bundle("b", &["true"], |config| config["rdkPlugins"] = plugin(&world, true));
    let error = manager.start(StartRequest::new(world.id("a"), bundle)).await.unwrap_err();
    let expected = "the exit code of the hook means: no space, or a read-only file system";
    assert!(error.report().contains(expected), "{}", error.report());
    world.nothing_is_left(&manager).await;
}
