//! Runtimes that are missing, hang, lie, or babble. Each is a shell script in the runtime's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use oci_minidump::control::{Event, StartRequest};
use oci_minidump::error::ErrorKind;

use crate::support::manager_world::{LONG, ManagerWorld};

/// The patience with a runtime that hangs, in which it says why.
const SHORT: Duration = Duration::from_secs(2);

/// Finds the verb behind the global options; `$bundle` and `$pidfile` are those of `run`.
const FAKE: &str = r#"#!/bin/busybox sh
while [ $# -gt 0 ]; do
  case "$1" in
    --root|--log) shift ;;
    --bundle) bundle=$2; shift ;;
    --pid-file) pidfile=$2; shift ;;
    run|state|delete|kill|pause|resume|exec) verb=$1 ;;
  esac
  shift
done
"#;

fn fake(world: &mut ManagerWorld, body: &str) {
    install(world, &format!("{FAKE}{body}\n"));
}

/// Puts a script in the runtime's place.
fn install(world: &mut ManagerWorld, script: &str) {
    let path = world.dir.join("fake-runtime");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    world.settings.runtime = path;
}

#[tokio::test]
async fn every_failure_is_told_and_leaves_nothing() {
    let cases = [
        ("echo first >&2; echo the reason >&2; exit 4", ErrorKind::System, "exit code 4: the reason", false),
        ("exit 1", ErrorKind::System, "failed with exit code 1", false),
        ("kill -9 $$", ErrorKind::System, "failed with signal 9", false),
        ("echo busy here >&2; exec sleep 1000", ErrorKind::Timeout, "within 2 s: busy here", false),
        ("trap '' TERM; while :; do sleep 1; done", ErrorKind::Timeout, "within 2 s", false),
        ("exit 0", ErrorKind::System, "left no", true),
        ("[ $verb = run ] && echo nonsense > $pidfile; exit 0", ErrorKind::System, "no process id in", true),
        ("[ $verb = run ] && echo -7 > $pidfile; exit 0", ErrorKind::NotFound, "no process -7", true),
        ("[ $verb = run ] && echo 999999999 > $pidfile; exit 0", ErrorKind::NotFound, "no process", true),
        ("[ $verb = state ] && echo '{garbage'; [ $verb != run ]", ErrorKind::System, "exit code 1", false),
        ("yes $verb | head -c 1000000; exit 3", ErrorKind::System, "exit code 3: run", false),
    ];
    for (body, kind, reason, failed) in cases {
        let mut world = ManagerWorld::new("fake", "fake");
        let bundle = world.script("b", "true");
        fake(&mut world, body);
        world.settings.runtime_timeout = if kind == ErrorKind::Timeout { SHORT } else { LONG };
        let manager = world.open().await;
        let mut events = manager.subscribe();
        let id = world.id("a");
        let error = manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}: {}", error.report());
        assert!(error.report().contains(reason), "{body}: {}", error.report());
        assert_eq!(manager.list(), [], "{body}");
        assert!(crate::support::state::kept(&world.settings.state_dir).is_empty(), "{body}");
        let event = Event::Failed { id, descriptor: 734, error_code: 1 };
        assert_eq!(events.try_recv().ok(), failed.then_some(event), "{body}");
    }
}

#[tokio::test]
async fn a_runtime_that_is_missing_is_named() {
    let mut world = ManagerWorld::new("missing", "crun");
    let bundle = world.sleeper("b");
    let real = world.settings.runtime.clone();
    for path in ["no-such-runtime", "/no/such/runtime", "/etc/passwd"] {
        world.settings.runtime = path.into();
        let manager = world.open().await;
        let error = manager.start(StartRequest::new(world.id("a"), &bundle)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", error.report());
        assert!(error.report().contains(&format!("cannot run {path}")), "{}", error.report());
        drop(manager);
    }
    world.settings.runtime = real;
    let manager = world.open().await;
    world.start(&manager, &world.id("a"), &bundle).await;
    manager.delete(&world.id("a"), true).await.unwrap();
    world.nothing_is_left(&manager).await;
}

/// Runs the real runtime, but not for the verbs that a marker file forbids.
const SULKING: &str = r#"
[ -e "$0.no-$verb" ] && { echo "I will not $verb" >&2; exit 1; }
exec crun $line"#;

#[tokio::test]
async fn what_cannot_be_deleted_stays_and_can_be_deleted_later() {
    let mut world = ManagerWorld::new("sulk", "crun");
    let bundle = world.sleeper("b");
    let path = world.dir.join("sulking");
    let script = FAKE.replacen('\n', "\nline=$*\n", 1) + SULKING;
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let real = std::mem::replace(&mut world.settings.runtime, path);
    let manager = world.open().await;
    let id = world.id("a");
    world.start(&manager, &id, &bundle).await;
    let forbidden = world.dir.join("sulking.no-delete");
    fs::write(&forbidden, "").unwrap();
    manager.stop(&id, false).await.unwrap();
    manager.wait(&id, Some(LONG)).await.unwrap();
    assert_eq!(manager.state(&id).unwrap().name(), "Stopped");
    let health = manager.health().degraded;
    assert!(health[0].contains("cannot be deleted") && health[0].contains("I will not delete"), "{health:?}");
    for error in [
        manager.delete(&id, true).await.unwrap_err(),
        manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap_err(),
    ] {
        assert!(error.report().contains("I will not delete"), "{}", error.report());
    }
    manager.stop(&id, true).await.expect("it is as stopped as can be");
    fs::remove_file(forbidden).unwrap();
    manager.delete(&id, false).await.unwrap();
    assert_eq!(manager.health().degraded, [""; 0]);
    world.settings.runtime = real;
    world.nothing_is_left(&manager).await;
}

/// As crun does when the first process is killed while prestart hooks run.
#[tokio::test]
async fn cgroups_that_the_runtime_leaves_after_a_failed_start_are_removed() {
    let mut world = ManagerWorld::new("cgroups", "crun");
    let id = world.id("a");
    let plain = world.script("plain", "true");
    let path = format!("/named-{id}");
    let named = world.bundle("named", &["/bin/true"], |config| config["linux"]["cgroupsPath"] = path.into());
    for (bundle, group) in [(plain, id.to_string()), (named, format!("named-{id}"))] {
        let made = world.dir.join(&group);
        let script = format!(
            r#"#!/bin/busybox sh
case " $* " in *" run "*)
  for tasks in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
    if [ -e $tasks ]; then mkdir ${{tasks%/*}}/{group} && touch {}; fi
  done
  exit 1 ;;
esac
exec crun "$@"
"#,
            made.display()
        );
        install(&mut world, &script);
        let manager = world.open().await;
        manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap_err();
        assert!(made.exists(), "the runtime made no cgroup");
        world.nothing_is_left(&manager).await;
    }
}
