//! Names that are taken, dumps that cannot be published, and files in the way.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::{command, hook_program};
use crate::support::programs::kernel_without;
use crate::support::test_runtimes::runtimes;

#[test]
fn a_dump_for_which_there_is_no_room_does_not_keep_the_others_back() {
    let world = HookWorld::new("crun");
    let dir = world.dumps_dir();
    fs::create_dir(&dir).unwrap();
    // The newest, which has its turn first.
    let sizes = [("old.dmp", 100_000), ("older.dmp", 50_000), ("new.dmp", 900_000), ("newest.dmp", 800_000)];
    let made = image(&world, DEFAULT_IMGSIZE, |dir| {
        for (n, (name, size)) in (1..).zip(sizes) {
            fs::write(dir.join(name), whole_dump(size)).unwrap();
            let file = File::options().write(true).open(dir.join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(n * 1000)).unwrap();
        }
    });
    let words = ["-t", "tmpfs", "-o", "size=500k", "tmpfs"].map(AsRef::as_ref);
    command("mount", &[&words[..], &[dir.as_ref()]].concat());
    let run = harvest(&world, &made).expect(7);
    let names: Vec<_> = world.dumps().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["old.dmp", "older.dmp"], "{}", run.story());
    let line = "2 dumps could not be published, the first: cannot publish newest.dmp";
    assert!(run.stderr().contains(line) && run.stderr().contains("No space left"), "{}", run.story());
    assert!(run.stderr().contains("error: cannot publish new.dmp"), "{}", run.story());
    assert!(made.exists(), "{}", run.story());
    command("mount", &["-o".as_ref(), "remount,size=8m".as_ref(), dir.as_ref()]);
    let run = harvest(&world, &made).expect(0);
    for (name, size) in sizes {
        assert!(fs::read(dir.join(name)).unwrap() == whole_dump(size), "{name}: {}", run.story());
    }
    command("umount", &[dir.as_ref()]);
}

#[test]
fn a_container_that_took_every_number_does_not_keep_the_others_from_a_name() {
    let world = HookWorld::new("crun");
    let dir = world.dumps_dir();
    fs::create_dir(&dir).unwrap();
    let taken = |n: u32| if n == 1 { "core.dmp".to_owned() } else { format!("core-{n}.dmp") };
    for n in 1..=10_000 {
        fs::write(dir.join(taken(n)), n.to_string()).unwrap();
    }
    // The same dump twice, and another one.
    let mut names = Vec::new();
    for (size, already) in [(5000, false), (5000, true), (6000, false)] {
        let made = image(&world, DEFAULT_IMGSIZE, |dir| {
            fs::write(dir.join("core.dmp"), whole_dump(size)).unwrap();
        });
        let run = harvest(&world, &made).expect(0);
        assert_eq!(run.stdout().contains("harvested before"), already, "{}", run.story());
        let path = run.stdout().split(" (").next().unwrap().to_owned();
        assert!(fs::read(&path).unwrap() == whole_dump(size), "{}", run.story());
        let name = path.rsplit('/').next().unwrap().to_owned();
        let hash = name.trim_start_matches("core-").trim_end_matches(".dmp");
        assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        names.push(name);
    }
    assert!(names[0] == names[1] && names[1] != names[2], "{names:?}");
    assert_eq!(world.dumps().len(), 10_002);
    for n in 1..=10_000 {
        assert_eq!(fs::read_to_string(dir.join(taken(n))).unwrap(), n.to_string());
    }
}

#[test]
fn the_dump_of_a_big_endian_machine_is_harvested() {
    let world = HookWorld::new("crun");
    // The header of a dump with one stream about the system.
    let word = |number: u32| number.to_be_bytes();
    let header = [*b"PMDM", word(0xa793), word(1), word(32), word(0), word(1_795_305_600), word(0), word(0)];
    let bytes = [header.concat(), [word(7), word(56), word(44)].concat(), vec![0; 56]].concat();
    let made = image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), &bytes).unwrap());
    let run = harvest(&world, &made).expect(0);
    assert!(
        fs::read(world.dump()).unwrap() == bytes && !run.stdout().contains("truncated"),
        "{}",
        run.story()
    );
    let info = world.hook(&["info", world.dump().to_str().unwrap()]).expect(0);
    assert!(info.stdout().contains("bytes:      big-endian"), "{}", info.story());
}

#[test]
fn harvest_by_hand_takes_every_dump_of_a_large_image() {
    let world = HookWorld::new("crun");
    let path = world.image("large");
    File::create(&path).unwrap().set_len(16 << 20).unwrap();
    command(
        "mke2fs",
        &["-q", "-F", "-t", "ext4", "-N", "1024"]
            .map(AsRef::as_ref)
            .into_iter()
            .chain([path.as_ref()])
            .collect::<Vec<_>>(),
    );
    world.with_mounted(&path, |dir| {
        for n in 0..700 {
            fs::write(dir.join(format!("{n}.dmp")), whole_dump(1000 + n)).unwrap();
        }
    });
    let run = harvest(&world, &path).expect(0);
    assert_eq!(world.dumps().len(), 700, "{}", run.story());
    for n in 0..700 {
        assert!(fs::read(world.dumps_dir().join(format!("{n}.dmp"))).unwrap() == whole_dump(1000 + n), "{n}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn what_lies_among_stale_drafts_is_not_waited_for() {
    let world = HookWorld::new("crun");
    let dir = world.dumps_dir();
    fs::create_dir_all(dir.join(".oci-minidump-part-2-0")).unwrap();
    command("mkfifo", &[dir.join(".oci-minidump-part-1-0").as_ref()]);
    symlink("/dev/zero", dir.join(".oci-minidump-part-3-0")).unwrap();
    fs::write(dir.join(".oci-minidump-part-4-0"), "half").unwrap();
    let made = image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap());
    let run = world.feed(harvest_without("O_TMPFILE", &world, &made), "").expect(0);
    assert!(fs::read(dir.join("a.dmp")).unwrap() == whole_dump(5000), "{}", run.story());
    assert!(!dir.join(".oci-minidump-part-4-0").exists(), "{}", run.story());
    for (n, left) in [(1, true), (2, true), (3, true)] {
        assert_eq!(fs::symlink_metadata(dir.join(format!(".oci-minidump-part-{n}-0"))).is_ok(), left, "{n}");
    }
    fs::remove_dir_all(dir).unwrap();
}

/// A harvest by hand on a kernel that seems to lack something.
fn harvest_without(missing: &str, world: &HookWorld, image: &std::path::Path) -> Command {
    let mut command = Command::new(kernel_without());
    command.arg(missing).arg(hook_program()).arg("--settings").arg(world.path("settings.toml"));
    command.arg("harvest").arg(image).arg("--to").arg(world.dumps_dir());
    command
}

/// Without unnamed files, each hook removes the drafts of those that were killed, and must not take the others' away.
#[test]
fn hooks_at_once_leave_each_others_drafts_alone() {
    const HOOKS: usize = 8;
    let world = HookWorld::new("crun");
    let one = image(&world, DEFAULT_IMGSIZE, |dir| {
        for n in 0..20 {
            fs::write(dir.join(format!("{n}.dmp")), whole_dump(1000 + n)).unwrap();
        }
    });
    let bytes = fs::read(&one).unwrap();
    fs::remove_file(one).unwrap();
    for round in 0..5 {
        let images: Vec<_> = (0..HOOKS).map(|n| world.image(&format!("image{n}"))).collect();
        for image in &images {
            fs::write(image, &bytes).unwrap();
        }
        std::thread::scope(|scope| {
            for image in &images {
                scope.spawn(|| world.feed(harvest_without("O_TMPFILE", &world, image), "").expect(0));
            }
        });
        assert_eq!(world.dumps().len(), 20, "{round}: {:?}", world.dumps());
        fs::remove_dir_all(world.dumps_dir()).unwrap();
    }
}

#[test]
fn every_directory_that_is_made_is_synced() {
    let world = HookWorld::new("crun");
    let made = image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap());
    let (trace, to) = (world.path("trace"), world.path("1/2/3"));
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=fsync,linkat", "-o"]).arg(&trace).arg(hook_program());
    command.arg("--settings").arg(world.path("settings.toml"));
    command.arg("harvest").arg(&made).arg("--to").arg(&to);
    let run = world.feed(command, "").expect(0);
    let trace = fs::read_to_string(trace).unwrap();
    let synced = |dir: &std::path::Path| {
        let call = format!("<{}>)", dir.display());
        trace.lines().position(|line| line.contains("fsync(") && line.contains(&call))
    };
    let named = trace.lines().position(|line| line.contains("linkat(")).unwrap();
    for parent in ["", "1", "1/2"] {
        let place = synced(&world.path(parent).components().collect::<std::path::PathBuf>());
        assert!(place.is_some_and(|place| place < named), "{parent}: {trace}\n{}", run.story());
    }
    assert!(synced(&to).is_some_and(|place| place > named), "{trace}");
}

#[test]
fn dumps_are_called_by_the_administrators_pattern() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        world.settings("naming = \"{container}@{app}-{time}\"\ncrash_records = true\n");
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        world.run(&bundle, "c").expect(0);
        world.control(&["delete"], "c", &[]);
        let names: Vec<String> =
            world.dumps().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        let start = format!("{}@a-20", world.id("c"));
        assert!(names.len() == 2 && names.iter().all(|name| name.starts_with(&start)), "{names:?}");
        assert!(names[0].ends_with(".dmp") && names[1].ends_with(".json"), "{names:?}");
        // A mistake is said when the settings are read, and costs no dump.
        world.settings("naming = \"{container}/{time}\"\n");
        let list = world.hook(&["list"]);
        assert!(list.code() != Some(0) && list.stderr().contains("naming"), "{}", list.story());
    }
}
