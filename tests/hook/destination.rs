//! The directory on the host: missing, read-only, full, taken. No dump is lost, none overwritten.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::inotify::{self, ReadFlags, WatchFlags};

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{dump_bytes, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::{command, hook_program, wait_until};
use crate::support::programs::fault_injector;
use crate::support::test_runtimes::runtimes;

#[test]
fn a_missing_destination_is_made_for_root_only() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["segv"]);
    let deep = world.path("a/b/c");
    bundle.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = deep.to_str().into()
    });
    let run = world.run(&bundle, "c");
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "{}", run.story());
    assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o7777, 0o750);
}

/// Runs a container that leaves two dumps, with a destination that cannot take them; then mends it, and starts anew.
fn kept_until_mended(world: &HookWorld, reason: &str, mend: impl FnOnce()) {
    let bundle = world.bundle("app", &["write", "a.dmp", "300000", "write", "b.dmp", "400000", "none"]);
    let run = world.run(&bundle, "c").expect(0);
    assert!(world.image("app").exists(), "the image is lost\n{}", run.story());
    assert!(world.log().contains(reason) && world.log().contains("the image is kept"), "{}", run.story());
    let leaks = world.leaks();
    assert!(!leaks.iter().any(|leak| leak.starts_with("loop device")), "{leaks:?}");
    mend();
    bundle
        .edit(|config| config["process"]["args"] = serde_json::json!(["/crasher", "/opt/minidumps", "none"]));
    let run = world.run(&bundle, "d").expect(0);
    for (name, size) in [("a.dmp", 300_000), ("b.dmp", 400_000)] {
        let bytes = fs::read(world.dumps_dir().join(name)).unwrap_or_default();
        assert!(bytes == dump_bytes(size), "{name}: {}", run.story());
    }
    // The first container's record is for those who look for its dumps; deleting it again settles it.
    world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "c")).expect(0);
}

#[test]
fn a_read_only_destination_keeps_the_image() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let dir = world.dumps_dir();
        fs::create_dir(&dir).unwrap();
        command(
            "mount",
            &["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), "ro".as_ref(), "tmpfs".as_ref(), dir.as_ref()],
        );
        kept_until_mended(&world, "Read-only file system", || {
            command("mount", &["-o".as_ref(), "remount,rw".as_ref(), dir.as_ref()]);
        });
        command("umount", &[dir.as_ref()]);
    }
}

#[test]
fn a_full_destination_keeps_the_image_and_shows_nothing_half_made() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let dir = world.dumps_dir();
        fs::create_dir(&dir).unwrap();
        command(
            "mount",
            &[
                "-t".as_ref(),
                "tmpfs".as_ref(),
                "-o".as_ref(),
                "size=500k".as_ref(),
                "tmpfs".as_ref(),
                dir.as_ref(),
            ],
        );
        kept_until_mended(&world, "No space left", || {
            for path in world.dumps() {
                let size = if path.ends_with("a.dmp") { 300_000 } else { 400_000 };
                assert_eq!(fs::metadata(&path).unwrap().len(), size, "{}", path.display());
            }
            let swept = world.hook(&["sweep"]).expect(1);
            let said = "0 images harvested, 0 in use, 1 failed";
            assert!(swept.stdout().contains(said), "{}", swept.story());
            command("mount", &["-o".as_ref(), "remount,size=4m".as_ref(), dir.as_ref()]);
        });
        command("umount", &[dir.as_ref()]);
    }
}

#[test]
fn a_destination_that_is_a_link_is_refused() {
    let world = HookWorld::new("crun");
    symlink("/tmp", world.dumps_dir()).unwrap();
    kept_until_mended(&world, "is a symbolic link", || fs::remove_file(world.dumps_dir()).unwrap());
}

#[test]
fn dumps_of_one_name_from_two_containers_both_survive() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        for (name, size) in [("one", "1000"), ("two", "2000"), ("three", "1000")] {
            let bundle = world.bundle(name, &["write", "x.dmp", size, "none"]);
            world.run(&bundle, name).expect(0);
        }
        // The third has the same bytes as the first, so it is there already.
        let sizes: Vec<u64> = world.dumps().iter().map(|path| fs::metadata(path).unwrap().len()).collect();
        let names: Vec<_> = world.dumps().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(
            (names, sizes),
            (vec!["x-2.dmp".into(), "x.dmp".into()], vec![2000, 1000]),
            "{}",
            world.log()
        );
    }
}

#[test]
fn a_destination_inside_the_rootfs_is_refused() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let inside = bundle.rootfs().join("dumps");
    bundle.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = inside.to_str().into()
    });
    world.run(&bundle, "c").fails_with("lies in the container's root file system");
}

#[test]
fn the_administrators_settings_are_followed() {
    let world = HookWorld::new("crun");
    world.settings("mode = \"0640\"\ngroup = 4242\nnaming = \"rdk\"\n[retention]\nmax_count = 2\n");
    fs::create_dir(world.dumps_dir()).unwrap();
    fs::write(world.dumps_dir().join("foreign.dmp"), "not ours").unwrap();
    let bundle = world.bundle(
        "app",
        &["write", "x.dmp", "1000", "write", "y.dmp", "2000", "write", "z.dmp", "3000", "none"],
    );
    bundle.edit(|config| config["annotations"]["fireboltState"] = "inactive".into());
    let run = world.run(&bundle, "c").expect(0);
    let ours: Vec<_> = world.dumps().into_iter().filter(|path| !path.ends_with("foreign.dmp")).collect();
    assert_eq!((ours.len(), world.dumps().len()), (2, 3), "{}", run.story());
    for path in ours {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{}<#=#>inactive<#=#>20", world.id("c"))), "{name}");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(
            (metadata.permissions().mode() & 0o7777, std::os::unix::fs::MetadataExt::gid(&metadata)),
            (0o640, 4242)
        );
    }
}

#[test]
fn a_destination_among_strangers_is_refused_and_the_image_kept() {
    let world = HookWorld::new("crun");
    let open = world.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let image = image(&world, 1 << 20, |dir| fs::write(dir.join("a.dmp"), dump_bytes(500)).unwrap());
    let to = open.join("dumps");
    let words = ["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()];
    let run = world.hook(&words).expect(5);
    assert!(run.stderr().contains("is writable by everybody and not sticky"), "{}", run.story());
    assert!(image.exists() && !to.exists(), "{}", run.story());
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    world.hook(&words).expect(0);
    assert!(fs::read(to.join("a.dmp")).unwrap() == dump_bytes(500));
}

/// Its owner could exchange a directory on the way for a link, and have root write anywhere.
#[test]
fn a_destination_that_is_there_among_strangers_is_refused_too() {
    let world = HookWorld::new("crun");
    let theirs = world.path("theirs");
    let to = theirs.join("dumps");
    fs::create_dir_all(&to).unwrap();
    std::os::unix::fs::chown(&theirs, Some(4711), None).unwrap();
    let image = image(&world, 1 << 20, |dir| fs::write(dir.join("a.dmp"), dump_bytes(500)).unwrap());
    let words = ["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()];
    let run = world.hook(&words).expect(5);
    assert!(run.stderr().contains("belongs to user 4711"), "{}", run.story());
    assert!(image.exists() && fs::read_dir(&to).unwrap().count() == 0, "{}", run.story());
    std::os::unix::fs::chown(&theirs, Some(0), None).unwrap();
    world.hook(&words).expect(0);
    assert!(fs::read(to.join("a.dmp")).unwrap() == dump_bytes(500));
}

#[test]
fn the_images_own_directory_can_be_the_destination() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    let images = world.path("images");
    bundle.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = images.to_str().into()
    });
    let run = world.run(&bundle, "c").expect(0);
    let dump = images.join("a.dmp");
    assert_eq!(crate::support::host::files_in(&images), std::slice::from_ref(&dump), "{}", run.story());
    fs::remove_file(dump).unwrap();
}

/// Names of dumps, and what a watcher of the destination hears of them.
fn heard(world: &HookWorld) -> Vec<(String, ReadFlags)> {
    let dir = world.dumps_dir();
    fs::create_dir(&dir).unwrap();
    let watcher = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watcher, &dir, WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO)
        .unwrap();
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "write", "b.dmp", "100000", "none"]);
    world.run(&bundle, "c").expect(0);
    assert_eq!(world.dumps().len(), 2, "{}", world.log());
    let mut buffer = [const { MaybeUninit::uninit() }; 64 << 10];
    let mut reader = inotify::Reader::new(watcher, &mut buffer);
    let mut events = Vec::new();
    while let Ok(event) = reader.next() {
        let name = event.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        // What an uploader takes for a dump.
        if name.contains(".dmp") {
            events.push((name, event.events()));
        }
    }
    events.sort_by(|one, other| one.0.cmp(&other.0));
    events
}

#[test]
fn a_watcher_hears_of_a_dump_once_when_it_is_whole() {
    for missing in ["", "O_TMPFILE"] {
        let world = HookWorld::new("crun");
        let world = if missing.is_empty() { world } else { world.without(missing) };
        let expected = ["a.dmp", "b.dmp"].map(|name| (name.to_owned(), ReadFlags::CREATE));
        assert_eq!(heard(&world), expected, "without {missing}: {}", world.log());
    }
}

#[test]
fn a_file_system_without_unnamed_files_does_too() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime).without("O_TMPFILE");
        let bundle = world.bundle("app", &["write", "x.dmp", "5000", "write", "y.dmp", "300000", "none"]);
        let to = world.dumps_dir();
        fs::create_dir(&to).unwrap();
        fs::write(to.join("x.dmp"), "another").unwrap();
        // What killed hooks left.
        fs::write(to.join(".oci-minidump-part-1-0"), "half").unwrap();
        fs::write(world.path("images/.app.img.new"), "half").unwrap();
        let run = world.run(&bundle, "c").expect(0);
        let names: Vec<_> = world.dumps().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["x-2.dmp", "x.dmp", "y.dmp"], "{}", run.story());
        assert!(fs::read(to.join("x-2.dmp")).unwrap() == dump_bytes(5000), "{}", run.story());
    }
}

#[test]
fn an_image_that_cannot_be_used_leaves_nothing_where_there_are_no_unnamed_files() {
    let world = HookWorld::new("crun").without("O_TMPFILE");
    let bundle = world.bundle("app", &["none"]);
    fs::write(bundle.rootfs().join("opt"), "in the way").unwrap();
    world.run(&bundle, "c").fails_with("/opt/minidumps in the container");
}

/// As an administrator does who clears up.
#[test]
fn a_destination_that_is_removed_under_a_harvest_takes_no_dump_with_it() {
    let world = HookWorld::new("crun");
    let to = world.dumps_dir();
    for step in 1.. {
        let made = image(&world, DEFAULT_IMGSIZE, |dir| {
            fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap();
        });
        let report = world.path("report");
        let mut command = std::process::Command::new(fault_injector());
        command.arg(&report).args(["opens", &format!("hold@{step}")]).arg(hook_program());
        command.arg("--settings").arg(world.path("settings.toml")).arg("harvest").arg(&made);
        command.arg("--to").arg(&to);
        let held = report.with_extension("held");
        let (run, was_held, was_removed) = std::thread::scope(|scope| {
            let harvest = scope.spawn(|| world.feed(command, ""));
            wait_until(|| held.exists() || harvest.is_finished());
            let was_held = held.exists();
            // Only an empty one can be removed like that.
            let was_removed = was_held && fs::remove_dir(&to).is_ok();
            if was_held {
                fs::remove_file(&held).unwrap();
            }
            (harvest.join().unwrap(), was_held, was_removed)
        });
        let is_there = to.join("a.dmp").exists();
        assert!(made.exists() || is_there, "{step} {was_removed}: {}", run.story());
        for path in [made, to.join("a.dmp")] {
            let _gone = fs::remove_file(path);
        }
        let _gone = fs::remove_dir(&to);
        if !was_held {
            return;
        }
    }
}

/// At any moment of a harvest its destination is moved away, and a link lies in its place: no dump is lost, and none goes
/// where the link leads.
#[test]
fn a_destination_that_is_replaced_by_a_link_takes_no_dump_with_it() {
    let world = HookWorld::new("crun");
    world.settings("crash_records = true\n");
    let (to, moved, elsewhere) = (world.dumps_dir(), world.path("moved"), world.path("elsewhere"));
    fs::create_dir(&elsewhere).unwrap();
    for step in 1.. {
        fs::create_dir_all(&to).unwrap();
        let made = image(&world, DEFAULT_IMGSIZE, |dir| {
            fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap();
        });
        let report = world.path("report");
        let mut command = std::process::Command::new(fault_injector());
        command.arg(&report).args(["changes", &format!("hold@{step}")]).arg(hook_program());
        command.arg("--settings").arg(world.path("settings.toml")).arg("harvest").arg(&made);
        command.arg("--to").arg(&to);
        let held = report.with_extension("held");
        let (run, was_held) = std::thread::scope(|scope| {
            let harvest = scope.spawn(|| world.feed(command, ""));
            wait_until(|| held.exists() || harvest.is_finished());
            let was_held = held.exists();
            if was_held {
                fs::rename(&to, &moved).unwrap();
                symlink(&elsewhere, &to).unwrap();
                fs::remove_file(&held).unwrap();
            }
            (harvest.join().unwrap(), was_held)
        });
        if was_held {
            fs::remove_file(&to).unwrap();
            fs::rename(&moved, &to).unwrap();
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{step}: {}", run.story());
        if made.exists() {
            world.hook(&["harvest", made.to_str().unwrap(), "--to", to.to_str().unwrap()]).expect(0);
        }
        assert!(fs::read(to.join("a.dmp")).unwrap() == whole_dump(5000), "{step}: {}", run.story());
        fs::remove_dir_all(&to).unwrap();
        if !was_held {
            assert!(step > 10, "{step} steps");
            return;
        }
    }
}
