//! What is kept in a destination, with the real hook.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::{HookWorld, SOURCE};
use crate::support::host::{command, hook_program, wait_until};
use crate::support::programs::fault_injector;
use crate::support::run::Run;
use crate::support::test_runtimes::runtimes;

/// Writes a dump that was finished at a time, in seconds since 1970.
fn write(path: &Path, seconds: u64, size: usize) {
    fs::write(path, whole_dump(size)).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

/// Harvests dumps with these names and times.
fn harvest_dumps(world: &HookWorld, dumps: &[(&str, u64)]) -> Run {
    let made = image(world, DEFAULT_IMGSIZE, |dir| {
        for (name, seconds) in dumps {
            write(&dir.join(format!("{name}.dmp")), *seconds, 5000 + name.len());
            fs::write(dir.join(format!("{name}.meta")), name).unwrap();
        }
    });
    harvest(world, &made).expect(0)
}

/// The stems of what lies in the destination and ends so.
fn stems(world: &HookWorld, ending: &str) -> Vec<String> {
    let dumps = world.dumps();
    let names =
        dumps.iter().filter_map(|path| path.file_name().unwrap().to_str().unwrap().strip_suffix(ending));
    names.map(str::to_owned).collect()
}

#[test]
fn the_oldest_crash_goes_and_what_was_harvested_just_now_stays() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nmax_count = 2\n");
    let day = 86_400;
    let next_year = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 365 * day;
    type Step<'a> = (&'a [(&'a str, u64)], &'a [&'a str]);
    let steps: [Step<'_>; 5] = [
        // The newest is published first, so that its file is the oldest.
        (&[("b", 200 * day), ("a", 100 * day), ("c", 300 * day)], &["b", "c"]),
        // The clock is behind: the dump looks older than all.
        (&[("early", 1)], &["c", "early"]),
        // Now it is the oldest.
        (&[("d", 400 * day)], &["c", "d"]),
        // A time in the future does not help a dump but in its own harvest.
        (&[("late", next_year)], &["d", "late"]),
        (&[("e", 500 * day)], &["d", "e"]),
    ];
    for (dumps, expected) in steps {
        let run = harvest_dumps(&world, dumps);
        assert_eq!(stems(&world, ".dmp"), expected, "{}", run.story());
        // Metadata goes with its dump, and is none itself.
        assert_eq!(stems(&world, ".meta"), expected, "{}", run.story());
    }
}

#[test]
fn dumps_of_an_earlier_version_and_files_of_others_have_their_places() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nmax_count = 2\n");
    let dir = world.dumps_dir();
    harvest_dumps(&world, &[("new", 2_000_000)]);
    fs::write(dir.join("foreign.meta"), "of the uploader").unwrap();
    // Without a time of its own, a dump has that of its file.
    for (name, seconds) in [("old", 1_000_000), ("foreign", 1)] {
        write(&dir.join(format!("{name}.dmp")), seconds, 3000);
        if name == "old" {
            let mark = "user.oci-minidump.container";
            rustix::fs::setxattr(dir.join("old.dmp"), mark, b"", rustix::fs::XattrFlags::empty()).unwrap();
        }
    }
    let run = harvest_dumps(&world, &[("newer", 3_000_000)]);
    assert_eq!(stems(&world, ".dmp"), ["foreign", "new", "newer"], "{}", run.story());
    assert_eq!(stems(&world, ".meta"), ["foreign", "new", "newer"], "{}", run.story());
    // The uploader takes a dump and leaves its metadata.
    fs::remove_file(dir.join("newer.dmp")).unwrap();
    let run = harvest_dumps(&world, &[("newest", 4_000_000)]);
    assert_eq!(stems(&world, ".meta"), ["foreign", "new", "newest"], "{}", run.story());
}

#[test]
fn a_container_that_crashes_all_the_time_does_not_drive_out_the_dumps_of_others() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        world.settings("[retention]\nmax_count = 4\n");
        let quiet = world.bundle("quiet", &["write", "quiet.dmp", "2000", "none"]);
        world.run(&quiet, "quiet").expect(0);
        let noisy = world.bundle("noisy", &["none"]);
        for round in 0..3 {
            let names: Vec<String> = (0..6).map(|n| format!("noisy{round}{n}.dmp")).collect();
            let words = names.iter().flat_map(|name| ["write", name, "3000"]);
            let words: Vec<&str> = ["/crasher", SOURCE].into_iter().chain(words).chain(["none"]).collect();
            noisy.edit(|config| config["process"]["args"] = serde_json::json!(words));
            world.run(&noisy, "noisy").expect(0);
            world.control(&["delete"], "noisy", &[]);
            let stems = stems(&world, ".dmp");
            assert_eq!(stems.len(), 4, "{stems:?}\n{}", world.log());
            assert!(stems.contains(&"quiet".to_owned()), "{stems:?}\n{}", world.log());
            let ours = stems.iter().filter(|name| name.starts_with(&format!("noisy{round}"))).count();
            assert_eq!(ours, 3, "{stems:?}\n{}", world.log());
        }
    }
}

/// A full disk must not keep new dumps away for ever while old ones may go.
#[test]
fn old_dumps_make_room_on_a_full_disk() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nkeep_free = 1500000\n");
    let make = |name: &str, seconds: u64| {
        let made = image(&world, DEFAULT_IMGSIZE, |dir| write(&dir.join(name), seconds, 1_000_000));
        let place = world.image(name);
        fs::rename(made, &place).unwrap();
        place
    };
    let images = [make("1.dmp", 1000), make("2.dmp", 2000), make("3.dmp", 3000)];
    let disk = world.path("disk");
    File::create(&disk).unwrap().set_len(4 << 20).unwrap();
    let words = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"].map(AsRef::as_ref);
    command("mke2fs", &[&words[..], &[disk.as_ref()]].concat());
    world.with_mounted(&disk, |dir| {
        let to = dir.join("dumps");
        let harvest =
            |image: &Path| world.hook(&["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()]);
        for image in &images[..2] {
            harvest(image).expect(0);
        }
        // Somebody else fills the disk.
        let mut block = 0;
        while fs::write(dir.join(format!("log{block}")), vec![b'x'; 50_000]).is_ok() {
            block += 1;
        }
        let run = harvest(&images[2]).expect(0);
        let names: Vec<_> = crate::support::host::files_in(&to);
        assert!(fs::read(to.join("3.dmp")).unwrap() == whole_dump(1_000_000), "{names:?} {}", run.story());
        assert!(!to.join("1.dmp").exists(), "{names:?} {}", run.story());
    });
    assert!(!images[2].exists());
}

/// Two hooks, each of which has just brought a dump, and neither takes the other's for an old one.
#[test]
fn two_harvests_at_once_leave_a_dump() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nmax_count = 1\n");
    let dir = world.dumps_dir();
    let made = |name: &str| {
        let made =
            image(&world, DEFAULT_IMGSIZE, |dir| write(&dir.join(format!("{name}.dmp")), 1_000_000, 3000));
        let place = world.image(name);
        fs::rename(made, &place).unwrap();
        place
    };
    let run = |image: &Path, report: &Path, fault: &str| {
        let mut command = std::process::Command::new(fault_injector());
        command.arg(report).args(["changes", fault]).arg(hook_program()).arg("--settings");
        command.arg(world.path("settings.toml")).arg("harvest").arg(image).arg("--to").arg(&dir);
        world.feed(command, "")
    };
    let calls = |report: &Path| -> Vec<String> {
        fs::read_to_string(report).unwrap().lines().map(str::to_owned).collect()
    };
    harvest_dumps(&world, &[("old", 1)]);
    let report = world.path("report");
    run(&made("x"), &report, "none").expect(0);
    let all = calls(&report);
    let removal = 1 + all.iter().rposition(|call| call.contains("unlink")).unwrap();
    let removal = all[..removal].iter().position(|call| call.contains("unlink")).unwrap() + 1;
    let linked = all.iter().position(|call| call.contains("linkat")).unwrap() + 1;
    let (a, b) = (made("a"), made("b"));
    let (report_a, report_b) = (world.path("report-a"), world.path("report-b"));
    let [held_a, held_b] = [&report_a, &report_b].map(|report| report.with_extension("held"));
    std::thread::scope(|scope| {
        // The first has given its dump a name when the second begins to remove old ones.
        let first = scope.spawn(|| run(&a, &report_a, &format!("hold@{}", linked + 1)));
        wait_until(|| held_a.exists() || first.is_finished());
        let second = scope.spawn(|| run(&b, &report_b, &format!("hold@{removal}")));
        wait_until(|| held_b.exists() || second.is_finished());
        fs::remove_file(&held_a).unwrap();
        first.join().unwrap().expect(0);
        fs::remove_file(&held_b).unwrap();
        second.join().unwrap().expect(0);
    });
    assert!(!stems(&world, ".dmp").is_empty());
}
