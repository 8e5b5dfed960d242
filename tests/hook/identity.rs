//! An image is known by what it is, not by its path; a container by its record, not by a process number. Whatever comes late
//! or from elsewhere, the image of a container that runs is never removed, and every dump arrives under its owner's name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::cycle::wait_until_stopped;
use crate::images::{dump_bytes, whole_dump};
use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::{command, files_in, hook_program, wait_until};
use crate::support::test_runtimes::runtimes;

/// What the program of a bundle does.
fn set_actions(bundle: &Bundle, actions: &[&str]) {
    let arguments = [&["/crasher", SOURCE], actions].concat();
    bundle.edit(|config| config["process"]["args"] = json!(arguments));
}

fn start(world: &HookWorld, bundle: &Bundle, name: &str) {
    world.create(bundle, name).expect(0);
    world.control(&["start"], name, &[]).expect(0);
}

fn pid(world: &HookWorld, name: &str) -> i64 {
    let state: Value = serde_json::from_str(&world.control(&["state"], name, &[]).stdout()).unwrap();
    state["pid"].as_i64().unwrap()
}

/// The minidump directory as a process of the container sees it.
fn directory(pid: i64) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{SOURCE}"))
}

/// A process that holds the mount namespace of a container; it ends with this value.
struct Pin(Child);

impl Pin {
    fn new(pid: i64, actions: &[&str]) -> Self {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--mount", "--target", &pid.to_string(), "/crasher", SOURCE]).args(actions);
        Self(nsenter.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn directory(&self) -> PathBuf {
        directory(self.0.id().into())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// The container that a harvested dump is marked with.
fn marked(path: &Path) -> String {
    let mut value = [0; 256];
    let length = rustix::fs::getxattr(path, "user.oci-minidump.container", &mut value).unwrap();
    String::from_utf8(value[..length].to_vec()).unwrap()
}

fn assert_dump(world: &HookWorld, name: &str, bytes: &[u8], container: &str) {
    let path = world.dumps_dir().join(name);
    assert!(fs::read(&path).unwrap_or_default() == bytes, "{name}: {:?}\n{}", world.dumps(), world.log());
    assert_eq!(marked(&path), world.id(container), "{name}: {}", world.log());
}

fn sweep(world: &HookWorld) -> Value {
    let run = world.hook(&["sweep", "--json"]).expect(0);
    serde_json::from_str(&run.stdout()).unwrap_or_else(|error| panic!("{error}: {}", run.story()))
}

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
const ELSEWHERE: [(&str, &[&str], &str, i32); 4] = [
    ("another pid namespace", &["--pid", "--fork", "--mount-proc"], "exec \"$0\" \"$@\"", 0),
    ("the /proc of another pid namespace", &["--pid", "--fork"], "exec \"$0\" \"$@\"", 0),
    ("an empty /sys", &[], "mount -t tmpfs tmpfs /sys && exec \"$0\" \"$@\"", 0),
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
