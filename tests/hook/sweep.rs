//! `sweep` harvests what poststop missed, and touches nothing else.

use std::fs;
use std::path::Path;

use rustix::fs::{FlockOperation, inotify};
use serde_json::{Value, json};

use crate::attached::Attached;
use crate::images::dump_bytes;
use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::command;
use crate::support::test_runtimes::runtimes;

fn sweep(world: &HookWorld, code: i32) -> Value {
    let run = world.hook(&["sweep", "--json"]).expect(code);
    serde_json::from_str(&run.stdout()).unwrap_or_else(|error| panic!("{error}: {}", run.story()))
}

/// A container that has ended and whose poststop never comes.
fn ended(world: &HookWorld, name: &str) -> Bundle {
    let bundle = world.bundle(name, &["write", &format!("{name}.dmp"), "5000", "none"]);
    bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
    world.run(&bundle, name).expect(0);
    assert!(world.image(name).exists());
    bundle
}

#[test]
fn what_poststop_missed_is_harvested_and_running_containers_are_left() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        ended(&world, "gone");
        let running = world.bundle("running", &["write", "running.dmp", "7000", "sleep", "100"]);
        world.create(&running, "running").expect(0);
        let swept = sweep(&world, 0);
        assert_eq!(swept["harvested"][0]["container"], world.id("gone"), "{swept}");
        assert_eq!(swept["harvested"][0]["path"], json!(world.image("gone")), "{swept}");
        assert_eq!(swept["harvested"][0]["image"], "removed", "{swept}");
        assert_eq!(swept["in_use"], json!([world.image("running")]), "{swept}");
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{swept}");
        assert!(!world.image("gone").exists() && world.image("running").exists());
        assert_eq!(sweep(&world, 0)["harvested"], json!([]));
    }
}

#[test]
fn after_a_reboot_the_images_tell_whose_they_are() {
    let world = HookWorld::new("crun");
    let elsewhere = world.path("elsewhere");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    bundle.edit(|config| {
        config["hooks"]["poststop"] = json!([]);
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["image"] = json!(elsewhere.join("x.img"));
    });
    world.run(&bundle, "c").expect(0);
    // A reboot empties the directory of the records.
    for record in crate::support::host::files_in(&world.path("records")) {
        fs::remove_file(record).unwrap();
    }
    let foreign = elsewhere.join("notes.txt");
    fs::write(&foreign, "not an image").unwrap();
    let swept = sweep(&world, 0);
    assert_eq!(swept["harvested"][0]["container"], world.id("c"), "{swept}");
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{swept}");
    assert_eq!(crate::support::host::files_in(&elsewhere), [foreign]);
}

#[test]
fn what_cannot_be_harvested_is_said_and_kept() {
    let world = HookWorld::new("crun");
    ended(&world, "app");
    fs::write(world.dumps_dir(), "in the way").unwrap();
    let swept = sweep(&world, 1);
    assert!(swept["failures"][0].as_str().unwrap().contains("is not a directory"), "{swept}");
    assert!(world.image("app").exists());
    fs::remove_file(world.dumps_dir()).unwrap();
    sweep(&world, 0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000));
}

#[test]
fn many_sweeps_and_a_start_at_once_lose_nothing() {
    let world = HookWorld::new("crun");
    let bundle = ended(&world, "app");
    bundle.edit(|config| config["hooks"]["poststop"] = json!([world.hook_entry("poststop")]));
    let (settings, hook) = (world.path("settings.toml"), crate::support::host::hook_program());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let status =
                    std::process::Command::new(&hook).arg("--settings").arg(&settings).arg("sweep").output();
                assert!(status.unwrap().status.success());
            });
        }
        world.run(&bundle, "again").expect(0);
    });
    sweep(&world, 0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", world.log());
}

/// A loop device of another program, with some file attached.
fn foreign(file: &Path) -> Attached {
    fs::write(file, vec![0; 1 << 20]).unwrap();
    Attached::new(file, &[])
}

/// The file that a device is attached to, as the kernel names it.
fn backing(device: &Attached) -> String {
    let name = device.device().file_name().unwrap().to_str().unwrap();
    fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).unwrap_or_default().trim().to_owned()
}

/// Devices are known by the inode behind them: one whose deleted file had an image's name is not ours, nor is one of a
/// file beside the images.
#[test]
fn loop_devices_of_others_are_left_alone() {
    let world = HookWorld::new("crun");
    let namesake = foreign(&world.image("app"));
    fs::remove_file(world.image("app")).unwrap();
    let beside = world.path("images").join("beside.img");
    let neighbour = foreign(&beside);
    let before = [backing(&namesake), backing(&neighbour)];
    assert!(before[0].ends_with("app.img (deleted)") && before[1].ends_with("beside.img"), "{before:?}");
    let bundle = ended(&world, "app");
    let swept = sweep(&world, 0);
    assert_eq!(swept["harvested"].as_array().unwrap().len(), 1, "{swept}");
    bundle.edit(|config| config["hooks"]["poststop"] = json!([world.hook_entry("poststop")]));
    world.run(&bundle, "again").expect(0);
    assert!(!world.image("app").exists());
    assert_eq!([backing(&namesake), backing(&neighbour)], before);
    drop((namesake, neighbour));
    fs::remove_file(beside).unwrap();
}

#[test]
fn files_of_others_beside_the_images_are_passed_over() {
    let world = HookWorld::new("crun");
    ended(&world, "gone");
    let images = world.path("images");
    let theirs = images.join("theirs");
    fs::write(&theirs, "a user's").unwrap();
    std::os::unix::fs::chown(&theirs, Some(1000), Some(1000)).unwrap();
    fs::hard_link(world.path("settings.toml"), images.join("linked")).unwrap();
    std::os::unix::fs::symlink(&theirs, images.join("link")).unwrap();
    command("mkfifo", &[images.join("fifo").as_ref()]);
    let swept = sweep(&world, 0);
    assert_eq!(swept["harvested"].as_array().unwrap().len(), 1, "{swept}");
    let left = crate::support::host::files_in(&images);
    assert_eq!(left.len(), 4, "{left:?}");
    for path in left {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn images_that_wait_for_a_person_are_named() {
    let world = HookWorld::new("crun");
    let app = ended(&world, "app");
    world.settle();
    let image = world.image("app");
    let (second, damaged) = (image.with_file_name("second"), image.with_file_name("other.img.damaged1"));
    fs::hard_link(&image, &second).unwrap();
    fs::write(&damaged, "not a file system any more").unwrap();
    // Files of others with two names are none of our business.
    let photo = image.with_file_name("photo");
    fs::write(&photo, "a photo").unwrap();
    fs::hard_link(&photo, image.with_file_name("photo2")).unwrap();
    let swept = sweep(&world, 1);
    assert_eq!(swept["damaged"], json!([damaged]), "{swept}");
    let failures = swept["failures"].to_string();
    assert!(failures.contains("has 2 names") && !failures.contains("photo"), "{swept}");
    assert!(image.exists() && world.dumps().is_empty(), "{swept}");
    let text = world.hook(&["sweep"]).expect(1).stdout();
    assert!(text.contains(&format!("{} is damaged", damaged.display())), "{text}");
    fs::remove_file(second).unwrap();
    fs::remove_file(damaged).unwrap();
    for name in ["photo", "photo2"] {
        fs::remove_file(image.with_file_name(name)).unwrap();
    }
    // Without its record, too.
    for record in crate::support::host::files_in(&world.path("records")) {
        fs::hard_link(&image, image.with_file_name("third")).unwrap();
        fs::remove_file(record).unwrap();
        let swept = sweep(&world, 1);
        assert!(swept["failures"].to_string().contains("has 2 names"), "{swept}");
        fs::remove_file(image.with_file_name("third")).unwrap();
    }
    let swept = sweep(&world, 0);
    assert_eq!((&swept["damaged"], &swept["failures"]), (&json!([]), &json!([])), "{swept}");
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{swept} {}", app.dir.display());
}

/// What is done must not depend on what is logged.
#[test]
fn without_a_log_images_are_set_aside_and_containers_start() {
    for level in ["off", "error", "debug"] {
        let world = HookWorld::new("crun");
        world.settings(&format!("log_level = {level:?}\n"));
        let bundle = ended(&world, "app");
        // No directory can be made there.
        fs::write(world.dumps_dir(), "a file").unwrap();
        world.control(&["delete"], "app", &[]);
        world.run(&bundle, "again").expect(0);
        let names = || -> Vec<String> {
            let files = crate::support::host::files_in(&world.path("images")).into_iter();
            files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            names().iter().filter(|name| name.starts_with("app.img.aside-")).count(),
            1,
            "{:?}",
            names()
        );
        fs::remove_file(world.dumps_dir()).unwrap();
        sweep(&world, 0);
        assert_eq!(names(), Vec::<String>::new());
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000));
    }
}

/// A record that cannot be read, of whatever container, says nothing of the image.
#[test]
fn a_record_that_cannot_be_read_condemns_no_image() {
    let world = HookWorld::new("crun");
    let bundle = ended(&world, "app");
    // Without its mark, the records say whose it is.
    for name in ["container", "destination"] {
        rustix::fs::removexattr(world.image("app"), format!("user.oci-minidump.{name}")).unwrap();
    }
    world.control(&["delete"], "app", &[]);
    let record = world.path("records/other.json");
    fs::write(&record, "{").unwrap();
    bundle.edit(|config| config["process"]["args"].as_array_mut().unwrap()[2..].fill(json!("none")));
    world.run(&bundle, "again").expect(0);
    assert!(world.log().contains("remove it"), "{}", world.log());
    fs::remove_file(record).unwrap();
    let swept = sweep(&world, 0);
    assert_eq!(swept["damaged"], json!([]), "{swept}");
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{swept}");
}

/// What lies beside images is another program's: never locked, never opened for writing, never counted.
#[test]
fn a_file_beside_images_is_not_touched() {
    let world = HookWorld::new("crun");
    let other = world.path("images/service.pid");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "4711").unwrap();
    let held = fs::File::open(&other).unwrap();
    rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &other, inotify::WatchFlags::CLOSE_WRITE).unwrap();
    ended(&world, "app");
    let swept = sweep(&world, 0);
    assert_eq!((&swept["in_use"], &swept["failures"]), (&json!([]), &json!([])), "{swept}");
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{swept}");
    let mut buffer = [std::mem::MaybeUninit::uninit(); 512];
    let event = inotify::Reader::new(&watch, &mut buffer).next().map(|event| event.events());
    assert_eq!(event.unwrap_err(), rustix::io::Errno::AGAIN);
    fs::remove_file(other).unwrap();
}
