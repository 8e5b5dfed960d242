//! The main job: a crash inside a container becomes a whole minidump on the host.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use minidump::{Minidump, MinidumpException, MinidumpModuleList, MinidumpThreadList};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::images::dump_bytes;
use crate::support::hook_world::HookWorld;
use crate::support::host::{files_in, wait_until};
use crate::support::test_runtimes::runtimes;

/// Every kind of crash, and whether it leaves a dump.
const KINDS: [(&str, bool); 5] =
    [("segv", true), ("abort", true), ("stack-overflow", true), ("thread", true), ("none", false)];

#[test]
fn every_kind_of_crash_is_harvested_whole() {
    for runtime in runtimes() {
        for (kind, dumps) in KINDS {
            let world = HookWorld::new(runtime);
            let bundle = world.bundle("app", &[kind]);
            let run = world.run(&bundle, kind);
            assert_eq!(run.output.status.success(), !dumps, "{}", run.story());
            if !dumps {
                assert!(!world.dumps_dir().exists(), "{runtime} {kind}: {:?}", world.dumps());
                continue;
            }
            let path = world.dump();
            let dump = Minidump::read_path(&path).unwrap();
            dump.get_stream::<MinidumpException<'_>>().unwrap();
            assert!(dump.get_stream::<MinidumpModuleList>().unwrap().iter().count() > 0);
            let threads = dump.get_stream::<MinidumpThreadList<'_>>().unwrap().threads.len();
            assert_eq!(threads > 1, kind == "thread", "{runtime} {kind}: {threads} threads");
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.permissions().mode() & 0o7777, metadata.uid()), (0o600, 0));
            assert!(!world.log().contains("warning"), "{}", world.log());
        }
    }
}

#[test]
fn create_start_delete_harvests_at_delete() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["segv"]);
        world.create(&bundle, "c").expect(0);
        assert!(world.image("app").exists());
        world.control(&["start"], "c", &[]).expect(0);
        wait_until_stopped(&world, "c");
        assert!(world.dumps().is_empty());
        world.control(&["delete"], "c", &[]).expect(0);
        Minidump::read_path(world.dump()).unwrap();
        assert!(!world.image("app").exists());
    }
}

#[test]
fn a_container_that_never_starts_leaves_nothing() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["segv"]);
        world.create(&bundle, "c").expect(0);
        world.control(&["delete", "--force"], "c", &[]).expect(0);
        assert!(!world.image("app").exists() && world.dumps().is_empty());
    }
}

#[test]
fn several_paths_are_harvested_each_to_its_destination() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle =
            world.bundle("app", &["write", "a.dmp", "5000", "write", "/var/crash/b.dmp", "6000", "segv"]);
        let other = world.path("other");
        bundle.set_paths(&json!([
            world.entry("app"),
            {"image": world.image("two"), "containerSource": "/var/crash", "hostDestination": other, "imgsize": 262_144},
            {"image": world.image("three"), "containerSource": "/var/more", "hostDestination": other, "imgsize": 10_485_760},
        ]));
        let run = world.run(&bundle, "c");
        assert!(!run.output.status.success(), "{}", run.story());
        assert_eq!(world.dumps().len(), 2, "{}", run.story());
        assert!(fs::read(world.dumps_dir().join("a.dmp")).unwrap() == dump_bytes(5000), "{}", run.story());
        assert_eq!(files_in(&other), [other.join("b.dmp")], "{}", run.story());
        assert!(fs::read(other.join("b.dmp")).unwrap() == dump_bytes(6000), "{}", run.story());
    }
}

#[test]
fn nothing_configured_costs_nothing_and_leaves_nothing() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["none"]);
        for plugins in
            [json!(null), json!({}), json!({"minidump": {"required": true, "data": {"paths": []}}})]
        {
            bundle.edit(|config| config["rdkPlugins"] = plugins.clone());
            let run = world.run(&bundle, "c").expect(0);
            assert_eq!(world.log(), "", "{}", run.story());
        }
    }
}

/// Runtimes take a process whose first thread has ended for a zombie, and run the hooks of its end.
#[test]
fn a_container_lives_as_long_as_one_of_its_threads() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let words = ["write", "a.dmp", "5000", "thread-goes-on", "write", "b.dmp", "6000", "sleep", "1000"];
        let bundle = world.bundle("app", &words);
        world.create(&bundle, "c").expect(0);
        let running: Value =
            serde_json::from_str(&world.control(&["state"], "c", &[]).expect(0).stdout()).unwrap();
        let process = running["pid"].as_i64().unwrap().try_into().unwrap();
        world.control(&["start"], "c", &[]).expect(0);
        wait_until_stopped(&world, "c");
        let state = world.stopped_state(&bundle, "c");
        let run = world.hook_with_input(&["poststop"], &state);
        assert!(world.image("app").exists(), "{}", run.story());
        let swept = world.hook(&["sweep"]).expect(0);
        assert!(world.image("app").exists(), "{}", swept.story());
        // Some runtimes would delete the container and leave the process.
        kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
        wait_until(|| !Path::new(&format!("/proc/{process}/task")).exists());
        let deleted = world.control(&["delete", "--force"], "c", &[]);
        let swept = world.hook(&["sweep"]).expect(0);
        for (name, size) in [("a.dmp", 5000), ("b.dmp", 6000)] {
            let bytes = fs::read(world.dumps_dir().join(name)).unwrap_or_default();
            assert!(bytes == dump_bytes(size), "{runtime}: {name}: {} {}", deleted.story(), swept.story());
        }
    }
}

pub(crate) fn wait_until_stopped(world: &HookWorld, name: &str) {
    for _ in 0..2000 {
        let state = world.control(&["state"], name, &[]).expect(0).stdout();
        if state.contains("\"stopped\"") {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{name} does not stop\n{}", world.log());
}
