//! Images that were left or moved aside, and who finishes them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cycle::wait_until_stopped;
use crate::identity::{Pin, assert_dump, directory, pid, set_actions, start, sweep};
use crate::images::{dump_bytes, whole_dump};
use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::{command, files_in, wait_until};

/// Who finishes an image that was moved aside, once nothing holds it any more.
const FINISHERS: [&str; 3] = ["sweep", "the next start", "the late poststop"];

#[test]
fn a_mount_that_is_held_neither_keeps_the_app_from_starting_nor_loses_a_dump() {
    for finisher in FINISHERS {
        let world = HookWorld::new("crun");
        let bundle = world.bundle("app", &["sleep", "100"]);
        start(&world, &bundle, "one");
        let pin = Pin::new(pid(&world, "one"), &["sleep", "100"]);
        wait_until(|| pin.directory().exists());
        fs::write(pin.directory().join("early.dmp"), whole_dump(3000)).unwrap();
        fs::write(pin.directory().join("half.dmp"), dump_bytes(4000)).unwrap();
        if finisher == "the late poststop" {
            world.control(&["kill"], "one", &["KILL"]).expect(0);
            wait_until_stopped(&world, "one");
        } else {
            world.control(&["delete", "--force"], "one", &[]).expect(0);
            // What is complete need not wait.
            assert_dump(&world, "early.dmp", &whole_dump(3000), "one");
        }
        let next = if finisher == "the late poststop" { "two" } else { "one" };
        start(&world, &bundle, next);
        assert_eq!(files_in(&world.path("images")).len(), 2, "{}", world.log());
        fs::write(pin.directory().join("late.dmp"), dump_bytes(5000)).unwrap();
        fs::write(directory(pid(&world, next)).join("new.dmp"), dump_bytes(6000)).unwrap();
        drop(pin);
        match finisher {
            "sweep" => {
                wait_until(|| world.leaks().len() == 1);
                sweep(&world);
                world.control(&["delete", "--force"], next, &[]).expect(0);
            }
            "the late poststop" => {
                world.control(&["delete"], "one", &[]).expect(0);
                world.control(&["delete", "--force"], next, &[]).expect(0);
            }
            _ => {
                world.control(&["delete", "--force"], next, &[]).expect(0);
                world.settle();
                set_actions(&bundle, &["none"]);
                world.run(&bundle, next).expect(0);
            }
        }
        let log = world.log();
        assert_eq!(world.dumps().len(), 4, "{finisher}: {:?}\n{log}", world.dumps());
        assert_dump(&world, "half.dmp", &dump_bytes(4000), "one");
        assert_dump(&world, "late.dmp", &dump_bytes(5000), "one");
        assert_dump(&world, "new.dmp", &dump_bytes(6000), next);
    }
}

/// Makes the image and the record of a container look as version 0.1 left them.
fn as_version_0_1(world: &HookWorld, bundle: &Bundle, image: &Path) {
    let seed = "set_super_value hash_seed 6f63692d-6d69-4e69-8475-6d7000000002";
    command("debugfs", &["-w".as_ref(), "-R".as_ref(), seed.as_ref(), image.as_ref()]);
    let records = files_in(&world.path("records"));
    assert_eq!(records.len(), 1, "{records:?}");
    let mut record: Value = serde_json::from_slice(&fs::read(&records[0]).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("pid_namespace");
    record["paths"][0].as_object_mut().unwrap().remove("identity");
    let hash = oci_minidump::harvest::name::fnv1a(bundle.dir.as_os_str().as_encoded_bytes());
    let id = record["id"].as_str().unwrap().to_owned();
    fs::write(world.path("records").join(format!("{id}.{hash:016x}.json")), record.to_string()).unwrap();
    fs::remove_file(&records[0]).unwrap();
}

#[test]
fn what_version_0_1_left_is_harvested_by_everything_that_can() {
    for finisher in FINISHERS {
        let world = HookWorld::new("crun");
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        let hooks = bundle.config()["hooks"].clone();
        bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
        world.run(&bundle, "one").expect(0);
        world.settle();
        bundle.edit(|config| config["hooks"] = hooks);
        as_version_0_1(&world, &bundle, &world.image("app"));
        // While something uses it, it is left.
        world.with_mounted(&world.image("app"), |_| {
            assert_eq!(sweep(&world)["in_use"], json!([world.image("app")]), "{}", world.log());
        });
        match finisher {
            "sweep" => drop(sweep(&world)),
            "the late poststop" => {
                world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "one")).expect(0);
            }
            _ => {
                set_actions(&bundle, &["none"]);
                world.run(&bundle, "one").expect(0);
            }
        }
        assert_dump(&world, "a.dmp", &dump_bytes(5000), "one");
    }
}

#[test]
fn a_poststop_of_a_container_that_runs_changes_nothing() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["sleep", "100"]);
    start(&world, &bundle, "one");
    world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "one")).expect(0);
    assert_eq!(files_in(&world.path("records")).len(), 1, "{}", world.log());
    fs::write(directory(pid(&world, "one")).join("late.dmp"), dump_bytes(700)).unwrap();
    world.control(&["delete", "--force"], "one", &[]).expect(0);
    assert_dump(&world, "late.dmp", &dump_bytes(700), "one");
}

/// Each run of a container whose images cannot be harvested any more would leave a record of its own.
#[test]
fn records_of_a_destination_that_fails_for_long_do_not_grow() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "3000", "none"]);
    bundle.set_required(false);
    fs::write(world.dumps_dir(), "in the way").unwrap();
    let records = |runs: std::ops::Range<u32>| {
        for number in runs {
            set_actions(&bundle, &["write", &format!("{number}.dmp"), "3000", "none"]);
            // Without the directory, its program fails.
            let name = format!("c{number}");
            world.run(&bundle, &name);
            world.control(&["delete"], &name, &[]);
        }
        files_in(&world.path("records")).len()
    };
    // Eight wait, and one lies where it was made.
    assert_eq!(records(0..11), 9, "{}", world.log());
    assert_eq!(records(11..14), 9, "{}", world.log());
    fs::remove_file(world.dumps_dir()).unwrap();
    let swept = sweep(&world);
    assert_eq!(world.dumps().len(), 9, "{swept}\n{}", world.log());
    assert_eq!(files_in(&world.path("records")).len(), 0, "{swept}");
}

/// The next run of the same container does not get at dumps that are not safe yet: it could write over them.
#[test]
fn dumps_that_could_not_be_harvested_are_out_of_reach_of_the_next_run() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    // There is nowhere for the dumps to go.
    fs::write(world.dumps_dir(), "in the way").unwrap();
    for size in [3000, 4000, 5000] {
        set_actions(&bundle, &["write", "crash.dmp", &size.to_string(), "none"]);
        world.run(&bundle, "one").expect(0);
    }
    fs::remove_file(world.dumps_dir()).unwrap();
    let swept = sweep(&world);
    let mut sizes: Vec<u64> = world.dumps().iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [3000, 4000, 5000], "{swept}\n{}", world.log());
}
