//! What a daemon knows of a run stands in the crash record that the hook writes: the restarts, and how the run ended.

use std::fs::{self, File};
use std::io::Write;

use oci_minidump::control::{ContainerId, Event, ExitStatus, Manager, StartRequest};
use oci_minidump::oci::run::Run;
use serde_json::json;

use crate::minidump::{dumps, plugin};
use crate::support::hook_wrapper;
use crate::support::manager_world::{ManagerWorld, next, until};
use crate::support::test_runtimes::runtimes;

/// A hook that does not watch, so that it is poststop that brings the dumps.
const OLD: &str = "[ \"$2\" = --watch ] && exit 2";

async fn start(world: &mut ManagerWorld, script: &str, restarted: bool) -> (Manager, ContainerId) {
    dumps(world);
    fs::copy(world.dir.join("whole"), world.dir.join("rootfs/opt/whole")).unwrap();
    world.settings.hook = Some(hook_wrapper::make(&world.dir, OLD));
    let mut settings = File::options().append(true).open(world.dir.join("hook.toml")).unwrap();
    settings.write_all(b"crash_records = true\n").unwrap();
    let (manager, id) = (world.open().await, world.id("a"));
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        config["rdkPlugins"] = plugin(world, true);
        if restarted {
            config["annotations"] = json!({"org.rdk.restartOnCrash": "true"});
        }
    });
    manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap();
    (manager, id)
}

/// What the event of a dump says of its run, and what the file beside the dump does.
fn run(world: &ManagerWorld, event: Event) -> (String, Run) {
    let Event::Minidump { name, record, .. } = event else { panic!("{event:?}") };
    let record = record.expect("the event has the record");
    let file = world.dir.join("dumps").join(name.replace(".dmp", ".json"));
    assert_eq!(serde_json::from_slice(&fs::read(file).unwrap()).ok(), Some(*record.clone()));
    (name, record.subject.run)
}

#[tokio::test]
async fn each_run_of_a_container_that_is_restarted_has_its_own_count_and_exit() {
    for runtime in runtimes() {
        let mut world = ManagerWorld::new("lives", runtime);
        let script = "while [ ! -e /opt/go ]; do sleep 0.1; done; n=$(ls /opt/lives | wc -l); >/opt/lives/$n; \
                      cat /opt/whole >/opt/one/$n.dmp; [ $n -lt 3 ] && exit 1$n; >/opt/done; sleep 1000";
        fs::create_dir_all(world.dir.join("rootfs/opt/lives")).unwrap();
        let (manager, id) = start(&mut world, script, true).await;
        let mut events = manager.subscribe();
        fs::write(world.dir.join("rootfs/opt/go"), "").unwrap();
        for life in 0..3 {
            let known = Run { restarts: Some(life), exit_code: Some(10 + life as i32), exit_signal: None };
            assert_eq!(run(&world, next(&mut events).await), (format!("{life}.dmp"), known), "{runtime}");
            assert!(matches!(next(&mut events).await, Event::Stopped { .. }));
            assert!(matches!(next(&mut events).await, Event::Started { .. }));
        }
        until("it runs on", || world.dir.join("rootfs/opt/done").exists()).await;
        manager.stop(&id, true).await.unwrap();
        let known = Run { restarts: Some(3), exit_code: None, exit_signal: Some(9) };
        assert_eq!(run(&world, next(&mut events).await), ("3.dmp".to_owned(), known), "{runtime}");
        assert!(matches!(next(&mut events).await, Event::Stopped { .. }));
        world.nothing_is_left(&manager).await;
    }
}

/// It ends while no daemon runs; the next one has its exit status from the monitor.
#[tokio::test]
async fn the_next_daemon_says_how_a_run_ended() {
    let mut world = ManagerWorld::new("later", "crun");
    let script =
        "cat /opt/whole >/opt/one/a.dmp; echo ready; while [ ! -e /opt/go ]; do sleep 0.1; done; exit 7";
    let (manager, id) = start(&mut world, script, false).await;
    until("the dump is written", || world.log(&manager, &id).contains("ready\n")).await;
    drop(manager);
    fs::write(world.dir.join("rootfs/opt/go"), "").unwrap();
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let (name, known) = run(&world, next(&mut events).await);
    assert_eq!((name.as_str(), known), ("a.dmp", Run { exit_code: Some(7), ..Run::default() }));
    assert!(matches!(next(&mut events).await, Event::Stopped { exit: ExitStatus::Code(7), .. }));
    world.nothing_is_left(&manager).await;
}
