//! What lies in the place of a dump that waits for its hand-over is not always that dump.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{harvest, image, whole_dump};
use crate::notify::{entries, image_with, program};
use crate::support::hook_world::HookWorld;
use crate::support::host::{command, files_in, hook_program};

/// A program that fails once for each dump, and its calls.
fn fails_once(world: &HookWorld) {
    program(world, "echo \"$1\" >> calls\ntest \"$(grep -cx \"$1\" calls)\" -gt 1");
    let upload = world.path("upload");
    world.settings(&format!("[notify]\nexec = [{upload:?}, \"{{path}}\"]\nretry = \"0s\"\n"));
}

fn calls(world: &HookWorld) -> usize {
    fs::read_to_string(world.path("calls")).unwrap_or_default().lines().count()
}

#[test]
fn a_destination_that_is_not_mounted_yet_keeps_its_dumps_waiting() {
    let world = HookWorld::new("crun");
    fails_once(&world);
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    let (dumps, elsewhere) = (world.dumps_dir(), world.path("elsewhere"));
    // As before the boot has mounted it: not there, then an empty directory in its place.
    fs::rename(&dumps, &elsewhere).unwrap();
    let run = world.hook(&["notify"]).expect(1);
    assert_eq!(run.stdout(), "0 dumps handed over, 1 left, 0 given up\n", "{}", run.story());
    fs::create_dir(&dumps).unwrap();
    world.hook(&["notify"]).expect(1);
    assert_eq!((calls(&world), entries(&world).len()), (1, 1));
    fs::remove_dir(&dumps).unwrap();
    fs::rename(&elsewhere, &dumps).unwrap();
    assert_eq!(world.hook(&["notify"]).expect(0).stdout(), "1 dumps handed over, 0 left, 0 given up\n");
    assert_eq!((calls(&world), entries(&world).len()), (2, 0));
}

#[test]
fn another_dump_of_the_same_name_is_not_handed_over_for_the_first() {
    let world = HookWorld::new("crun");
    fails_once(&world);
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    let dump = world.dumps_dir().join("a.dmp");
    // The inode of a file that is there is not another's.
    fs::rename(&dump, world.path("taken")).unwrap();
    fs::write(&dump, "another container's").unwrap();
    let run = world.hook(&["notify"]).expect(0);
    assert_eq!(run.stdout(), "0 dumps handed over, 0 left, 0 given up\n", "{}", run.story());
    assert_eq!((calls(&world), entries(&world).len()), (1, 0));
}

/// Supervisors in Perl and Python, and some init scripts, start what they start like that.
#[test]
fn a_worker_whose_parent_ignores_its_children_sees_its_program_end() {
    let world = HookWorld::new("crun");
    fails_once(&world);
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    let mut command = Command::new("/bin/bash");
    command.args(["-c", "trap '' CHLD; exec \"$0\" \"$@\""]).arg(hook_program()).arg0("bash");
    let output = command.arg("--settings").arg(world.path("settings.toml")).arg("notify").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "1 dumps handed over, 0 left, 0 given up\n", "{output:?}");
    assert_eq!((calls(&world), entries(&world).len()), (2, 0));
}

#[test]
fn a_crash_that_cannot_be_counted_waits_for_that() {
    let world = HookWorld::new("crun");
    let metrics = world.path("x.prom");
    world.settings(&format!("[notify]\nmetrics = {metrics:?}\n"));
    let counts = world.path("counts");
    fs::create_dir(&counts).unwrap();
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    world.hook(&["notify"]).expect(1);
    assert_eq!(entries(&world).len(), 1, "{}", world.log());
    fs::remove_dir(&counts).unwrap();
    world.hook(&["notify"]).expect(0);
    assert_eq!(entries(&world).len(), 0);
    assert!(fs::read_to_string(&metrics).unwrap().contains("} 1\n"));
}

/// An uploader takes each dump at once. Another one cannot be published, so that the image stays.
#[test]
fn an_image_that_stays_gives_each_dump_once() {
    let world = HookWorld::new("crun");
    let upload = program(&world, "echo \"$1\" >> calls; rm \"$1\"");
    world.settings(&format!("[notify]\nexec = [{upload:?}, \"{{path}}\"]\nretry = \"0s\"\n"));
    let made = image(&world, DEFAULT_IMGSIZE, |dir| {
        for (name, size) in [("small.dmp", 3000), ("large.dmp", 300_000)] {
            fs::write(dir.join(name), whole_dump(size)).unwrap();
        }
    });
    let dir = world.dumps_dir();
    fs::create_dir(&dir).unwrap();
    let place = dir.to_str().unwrap();
    command("mount", &["-t", "tmpfs", "-o", "size=100k", "tmpfs", place].map(AsRef::as_ref));
    let calls = || fs::read_to_string(world.path("calls")).unwrap_or_default();
    let line = |name: &str| format!("{}\n", dir.join(name).display());
    for _again in 0..3 {
        let run = harvest(&world, &made);
        assert_ne!(run.code(), Some(0), "{}", run.story());
        assert_eq!(calls(), line("small.dmp"), "{}", run.story());
        assert_eq!(files_in(&dir).len(), 0);
    }
    // There is room now.
    command("umount", &[dir.as_ref()]);
    // A dump of that name that is another one.
    world.with_mounted(&made, |dir| fs::write(dir.join("small.dmp"), whole_dump(3001)).unwrap());
    let run = harvest(&world, &made).expect(0);
    assert!(!made.exists(), "{}", run.story());
    let mut all: Vec<String> = calls().lines().map(|line| format!("{line}\n")).collect();
    all[1..].sort();
    assert_eq!(all, [line("small.dmp"), line("large.dmp"), line("small.dmp")], "{}", run.story());
}
