//! Crash loops that begin while no daemon looks.

use std::fs::{self, File};
use std::io::Write;

use oci_minidump::control::{Event, Manager, StartRequest};

use crate::minidump::{dumps, plugin};
use crate::support::hook_wrapper;
use crate::support::host_program::HostProgram;
use crate::support::manager_world::{ManagerWorld, next, until};

/// A hook that does not watch.
const OLD: &str = "[ \"$2\" = --watch ] && exit 2";

fn loops(manager: &Manager) -> Vec<u64> {
    let events = manager.replay(&manager.subscribe());
    let count = |(_, event): (u64, Event)| match event {
        Event::CrashLoop { count, .. } => Some(count),
        _ => None,
    };
    events.into_iter().filter_map(count).collect()
}

#[tokio::test]
async fn a_loop_that_begins_while_no_daemon_runs_is_announced_by_the_next() {
    let mut world = ManagerWorld::new("loop", "crun");
    dumps(&world);
    fs::copy(world.dir.join("whole"), world.dir.join("rootfs/opt/whole")).unwrap();
    let hook = hook_wrapper::make(&world.dir, OLD);
    let mut settings = File::options().append(true).open(world.dir.join("hook.toml")).unwrap();
    settings.write_all(b"[retention]\nburst = \"2/1h\"\n").unwrap();
    world.settings.hook = Some(hook.clone());
    let manager = world.open().await;
    let id = world.id("a");
    let script = "n=1; while :; do until [ -e /opt/go$n ]; do sleep 0.1; done; \
                  cat /opt/whole >/opt/one/$n.dmp; echo wrote-$n; n=$((n+1)); done";
    let bundle = world.bundle("b", &["/bin/sh", "-c", script], |config| {
        config["rdkPlugins"] = plugin(&world, true);
    });
    manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap();
    drop(manager);
    let log = world.settings.log_dir.join(format!("{id}.log"));
    for crash in 1..=4 {
        fs::write(world.dir.join(format!("rootfs/opt/go{crash}")), "").unwrap();
        let is_written = || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            log.contains(&format!("wrote-{crash}\n"))
        };
        until("the dump is written", is_written).await;
        let ended =
            HostProgram::start(hook.to_str().unwrap(), ["harvest", "--running", id.as_str()]).finish().await;
        assert_eq!(ended.code, 0, "{ended}");
        // No daemon has seen it crash twice: with the third one the loop begins.
        if crash == 2 {
            let manager = world.open().await;
            assert!(loops(&manager).is_empty());
        }
    }
    // Two daemons: the first one is killed before its clients are back.
    for _ in 1..=2 {
        let manager = world.open().await;
        assert_eq!(loops(&manager), [4]);
    }
    world.runtime(&["kill", id.as_str(), "KILL"]).await;
    let manager = world.open().await;
    let mut events = manager.subscribe();
    assert_eq!(loops(&manager), [4]);
    assert!(matches!(next(&mut events).await, Event::Stopped { .. }), "it does not come with the end again");
    world.nothing_is_left(&manager).await;
}
