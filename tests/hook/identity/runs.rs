//! Late and stray calls while a container runs.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::cycle::wait_until_stopped;
use crate::identity::{assert_dump, directory, marked, pid, set_actions, start, sweep};
use crate::images::dump_bytes;
use crate::support::hook_world::{HookWorld, SOURCE};
use crate::support::host::{files_in, hook_program, wait_until};
use crate::support::test_runtimes::runtimes;

#[test]
fn a_late_delete_or_sweep_leaves_the_image_of_the_next_container() {
    for runtime in runtimes() {
        for is_delete in [true, false] {
            let world = HookWorld::new(runtime);
            let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
            start(&world, &bundle, "one");
            wait_until_stopped(&world, "one");
            set_actions(&bundle, &["write", "b.dmp", "6000", "sleep", "100"]);
            start(&world, &bundle, "two");
            let written = directory(pid(&world, "two")).join("b.dmp");
            wait_until(|| fs::metadata(&written).is_ok_and(|file| file.len() == 6000));
            if is_delete {
                world.control(&["delete"], "one", &[]).expect(0);
            } else {
                assert_eq!(sweep(&world)["in_use"], json!([world.image("app")]));
            }
            assert!(world.image("app").exists(), "{}", world.log());
            fs::write(directory(pid(&world, "two")).join("late.dmp"), dump_bytes(7000)).unwrap();
            world.control(&["delete", "--force"], "two", &[]).expect(0);
            assert_dump(&world, "a.dmp", &dump_bytes(5000), "one");
            assert_dump(&world, "b.dmp", &dump_bytes(6000), "two");
            assert_dump(&world, "late.dmp", &dump_bytes(7000), "two");
            if !is_delete {
                world.control(&["delete"], "one", &[]).expect(0);
            }
        }
    }
}

#[test]
fn sweeps_that_meet_a_start_leave_its_image() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let hooks = bundle.config()["hooks"].clone();
    for (round, name) in ["one", "two", "one", "one", "two", "one", "two", "two"].iter().enumerate() {
        set_actions(&bundle, &["write", &format!("ended{round}.dmp"), "5000", "none"]);
        bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
        world.run(&bundle, "one").expect(0);
        bundle.edit(|config| config["hooks"] = hooks.clone());
        set_actions(&bundle, &["sleep", "100"]);
        std::thread::scope(|scope| {
            let sweeps = [0; 3].map(|_| scope.spawn(|| sweep(&world)));
            start(&world, &bundle, name);
            let swept = sweeps.map(|sweep| sweep.join().unwrap());
            assert!(swept.iter().all(|sweep| sweep["failures"] == json!([])), "{swept:?}");
        });
        let late = format!("late{round}.dmp");
        fs::write(directory(pid(&world, name)).join(&late), dump_bytes(700)).unwrap();
        world.control(&["delete", "--force"], name, &[]).expect(0);
        assert_dump(&world, &format!("ended{round}.dmp"), &dump_bytes(5000), "one");
        assert_dump(&world, &late, &dump_bytes(700), name);
    }
}

#[test]
fn a_process_name_that_is_not_text_hides_no_container() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["sleep", "100"]);
    // The kernel cuts it after 15 bytes, in the middle of a letter.
    let name = "\u{e9}".repeat(9);
    fs::hard_link(bundle.rootfs().join("crasher"), bundle.rootfs().join(&name)).unwrap();
    bundle.edit(|config| config["process"]["args"][0] = json!(format!("/{name}")));
    start(&world, &bundle, "one");
    let pid = pid(&world, "one");
    wait_until(|| fs::read(format!("/proc/{pid}/comm")).unwrap().starts_with("\u{e9}".as_bytes()));
    assert!(std::str::from_utf8(&fs::read(format!("/proc/{pid}/comm")).unwrap()).is_err());
    assert_eq!(sweep(&world)["in_use"], json!([world.image("app")]));
    fs::write(directory(pid).join("late.dmp"), dump_bytes(700)).unwrap();
    world.control(&["delete", "--force"], "one", &[]).expect(0);
    assert_dump(&world, "late.dmp", &dump_bytes(700), "one");
}

/// A script around `"$0" "$@"` for each place from which less is seen, and the exit code of a harvest there.
const ELSEWHERE: [(&str, &[&str], &str, i32); 5] = [
    ("another pid namespace", &["--pid", "--fork", "--mount-proc"], "exec \"$0\" \"$@\"", 0),
    ("the /proc of another pid namespace", &["--pid", "--fork"], "exec \"$0\" \"$@\"", 0),
    ("an empty /sys", &[], "mount -t tmpfs tmpfs /sys && exec \"$0\" \"$@\"", 0),
    ("a masked /proc/partitions", &[], "mount --bind /dev/null /proc/partitions && exec \"$0\" \"$@\"", 0),
    (
        "nothing to see loop devices by",
        &[],
        "mount -t tmpfs tmpfs /sys && mount --bind /dev/null /proc/partitions && exec \"$0\" \"$@\"",
        9,
    ),
];

#[test]
fn from_elsewhere_the_image_of_a_container_that_runs_is_left_too() {
    for (place, options, script, code) in ELSEWHERE {
        let world = HookWorld::new("crun");
        let bundle = world.bundle("app", &["sleep", "100"]);
        start(&world, &bundle, "one");
        let image = world.image("app");
        let dumps = world.dumps_dir();
        let by_hand = ["harvest", image.to_str().unwrap(), "--to", dumps.to_str().unwrap()];
        for (words, code) in [(&["sweep"][..], i32::from(code != 0)), (&by_hand, code)] {
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "--propagation", "private"]).args(options).args(["sh", "-c", script]);
            unshare.arg(hook_program()).arg("--settings").arg(world.path("settings.toml")).args(words);
            let run = world.feed(unshare, "");
            assert_eq!(run.code(), Some(code), "{place}: {}", run.story());
            assert!(image.exists(), "{place}: {}", run.story());
        }
        fs::write(directory(pid(&world, "one")).join("late.dmp"), dump_bytes(700)).unwrap();
        world.control(&["delete", "--force"], "one", &[]).expect(0);
        assert_dump(&world, "late.dmp", &dump_bytes(700), "one");
    }
}

#[test]
fn what_outlives_the_init_of_its_container_finishes_its_dump() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["sleep", "100"]);
    // In the host's pid namespace and without cgroups, the end of init is not the end of the others.
    bundle.edit(|config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|namespace| namespace["type"] != "pid");
    });
    let control = |words: &[&str]| {
        let words: Vec<_> =
            ["--cgroup-manager=disabled"].iter().chain(words).map(|word| word.as_ref()).collect();
        world.feed(world.runtime(&words), "")
    };
    let id = world.id("one");
    world.created("one");
    control(&["create", "--bundle", bundle.dir.to_str().unwrap(), &id]).expect(0);
    control(&["start", &id]).expect(0);
    let dir = directory(pid(&world, "one"));
    control(&["exec", "--detach", &id, "/crasher", SOURCE, "trickle", "late.dmp", "50000", "6"]).expect(0);
    wait_until(|| dir.join("late.dmp").exists());
    control(&["kill", &id, "KILL"]).expect(0);
    wait_until(|| control(&["state", &id]).stdout().contains("stopped"));
    control(&["delete", &id]).expect(0);
    assert!(world.dumps().is_empty() && world.image("app").exists(), "{}", world.log());
    // It writes on, until the header is there.
    wait_until(|| world.leaks().is_empty());
    sweep(&world);
    assert_dump(&world, "late.dmp", &dump_bytes(50_000), "one");
}

#[test]
fn the_dumps_of_another_container_keep_its_name_and_destination() {
    let world = HookWorld::new("crun");
    world.settings("naming = \"rdk\"");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    let hooks = bundle.config()["hooks"].clone();
    bundle.edit(|config| {
        config["hooks"]["poststop"] = json!([]);
        config["annotations"] = json!({"fireboltState": "foreground"});
    });
    world.run(&bundle, "one").expect(0);
    let other = world.path("other");
    bundle.edit(|config| {
        config["hooks"] = hooks;
        config["annotations"] = json!({});
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = json!(other);
    });
    set_actions(&bundle, &["write", "b.dmp", "6000", "none"]);
    world.run(&bundle, "two").expect(0);
    let first = world.dump();
    let start = format!("{}<#=#>foreground<#=#>", world.id("one"));
    assert!(first.file_name().unwrap().to_str().unwrap().starts_with(&start), "{}", first.display());
    assert!(fs::read(&first).unwrap() == dump_bytes(5000) && marked(&first) == world.id("one"));
    let second = files_in(&other);
    assert!(second.len() == 1 && marked(&second[0]) == world.id("two"), "{second:?}");
    // The poststop of the first never came, so its record is for sweep.
    sweep(&world);
}

#[test]
fn an_image_of_another_container_is_never_mounted() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    let hooks = bundle.config()["hooks"].clone();
    bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
    world.run(&bundle, "one").expect(0);
    // Its dumps have nowhere to go, so they cannot be harvested.
    fs::write(world.dumps_dir(), "in the way").unwrap();
    let other = world.path("other");
    bundle.edit(|config| {
        config["hooks"] = hooks;
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = json!(other);
    });
    set_actions(&bundle, &["sleep", "100"]);
    start(&world, &bundle, "two");
    let names = fs::read_dir(directory(pid(&world, "two"))).unwrap().flatten().map(|entry| entry.file_name());
    assert!(names.into_iter().all(|name| name == "lost+found"), "{}", world.log());
    world.control(&["delete", "--force"], "two", &[]).expect(0);
    fs::remove_file(world.dumps_dir()).unwrap();
    sweep(&world);
    assert_dump(&world, "a.dmp", &dump_bytes(5000), "one");
}
