//! Counts of crashes for Prometheus: right whatever the names, across restarts, and with hooks at once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use oci_minidump::image::mark::Mark;
use serde_json::json;

use crate::images::{harvest, image, whole_dump};
use crate::notify::{entries, idle, program};
use crate::support::hook_world::HookWorld;
use crate::support::host::wait_until;

fn settings(world: &HookWorld, more: &str) {
    world.settings(&format!("{more}\n[notify]\nmetrics = {:?}\n", world.path("x.prom")));
}

/// An image of `container` with this many dumps, in a place of its own.
fn image_of(world: &HookWorld, container: &str, dumps: usize, place: &str) -> PathBuf {
    let made = image(world, 8 << 20, |dir| {
        for n in 0..dumps {
            fs::write(dir.join(format!("{place}-{n}.dmp")), whole_dump(300 + n)).unwrap();
        }
    });
    Mark { container: Some(container.to_owned()), ..Mark::default() }.write(&File::open(&made).unwrap());
    let place = world.image(place);
    fs::rename(made, &place).unwrap();
    place
}

/// The samples of a file, read as Prometheus reads it (exposition format 0.0.4): by metric and the values of its labels.
fn samples(world: &HookWorld) -> BTreeMap<(String, Vec<String>), u64> {
    let text = fs::read_to_string(world.path("x.prom")).unwrap();
    assert!(text.ends_with('\n'));
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let (name, mut rest) = line.split_once('{').unwrap_or_else(|| panic!("{line:?}"));
        let mut labels = Vec::new();
        while let Some((label, after)) = rest.split_once("=\"") {
            assert!(label.trim_start_matches(',').chars().all(|c| c.is_ascii_lowercase()), "{line:?}");
            let (mut value, mut chars) = (String::new(), after.chars());
            loop {
                match chars.next().unwrap_or_else(|| panic!("{line:?}")) {
                    '"' => break,
                    '\\' => value.push(match chars.next().unwrap() {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        other => panic!("\\{other} in {line:?}"),
                    }),
                    c => value.push(c),
                }
            }
            labels.push(value);
            rest = chars.as_str();
        }
        let count = rest.strip_prefix("} ").unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
        assert!(samples.insert((name.to_owned(), labels), count).is_none(), "twice: {line:?}");
    }
    samples
}

fn crashes(world: &HookWorld) -> u64 {
    let all = samples(world);
    all.iter().filter(|((name, _), _)| name == "oci_minidump_crashes_total").map(|(_, count)| count).sum()
}

#[test]
fn a_crash_is_counted_with_its_container_and_program() {
    let world = HookWorld::new("crun");
    settings(&world, "");
    let bundle = world.bundle("app", &["segv"]);
    world.run(&bundle, "c");
    world.control(&["delete"], "c", &[]);
    idle(&world);
    let labels = vec![world.id("c"), "crasher".to_owned()];
    let expected = BTreeMap::from([(("oci_minidump_crashes_total".to_owned(), labels), 1)]);
    assert_eq!(samples(&world), expected, "{}", world.log());
    let mode = fs::metadata(world.path("x.prom")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o644);
    // Nothing else waits for it.
    assert!(entries(&world).is_empty());
}

#[test]
fn hostile_names_are_counted_on_lines_of_their_own() {
    let world = HookWorld::new("crun");
    settings(&world, "");
    let names = [
        "a\"} 7\nx{y=\"",
        "\\",
        "\\\"",
        "a\u{1b}[2J\u{202e}",
        "\u{1f980}",
        "",
        "other",
        "a,b=\"c\"",
        "a\nb",
        "a\\nb",
    ];
    for (n, name) in names.iter().enumerate() {
        harvest(&world, &image_of(&world, name, 1, &format!("i{n}"))).expect(0);
    }
    let all = samples(&world);
    assert_eq!((all.len(), crashes(&world)), (names.len(), names.len() as u64), "{all:?}");
    let text = fs::read_to_string(world.path("x.prom")).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{202e}']));
    let is_there = |name: &str| all.keys().any(|(_, labels)| labels[0] == name);
    assert!(
        is_there("\\\\\"")
            && is_there("a\\nb")
            && is_there("a\\\\nb")
            && is_there("\u{1f980}")
            && is_there("a,b=\"c\""),
        "{all:?}"
    );
}

#[test]
fn counts_survive_a_reboot_and_damage_and_hooks_at_once() {
    let world = HookWorld::new("crun");
    settings(&world, "");
    let images: Vec<_> = (0..6).map(|n| image_of(&world, "app", n + 1, &format!("i{n}"))).collect();
    std::thread::scope(|scope| {
        for image in &images {
            scope.spawn(|| harvest(&world, image).expect(0));
        }
    });
    idle(&world);
    // Each of them may have left its dumps to another one.
    world.hook(&["notify"]).expect(0);
    assert_eq!(crashes(&world), 21);
    // What lies in memory goes with a reboot.
    fs::remove_file(world.path("x.prom")).unwrap();
    world.hook(&["sweep"]).expect(0);
    assert_eq!(crashes(&world), 21);
    fs::write(world.path("counts"), "{\"crashes\": [[").unwrap();
    let run = harvest(&world, &image_of(&world, "app", 2, "damaged")).expect(0);
    assert!(
        run.stderr().contains("counts is damaged: ") && run.stderr().contains("start again"),
        "{}",
        run.story()
    );
    assert_eq!(crashes(&world), 2);
}

#[test]
fn a_crash_whose_dump_is_taken_at_once_is_counted_and_a_worker_that_is_killed_counts_it_once() {
    let world = HookWorld::new("crun");
    settings(&world, "");
    harvest(&world, &image_of(&world, "app", 1, "first")).expect(0);
    // As a worker leaves it that is killed when it has counted, and before it has noted that.
    let counts: serde_json::Value = serde_json::from_slice(&fs::read(world.path("counts")).unwrap()).unwrap();
    let last = world.path("spool").join(counts["last"].as_str().unwrap());
    let next = world.path("spool").join("9999999999999999-x.json");
    for path in [&last, &next] {
        fs::write(path, json!({"dump": {"path": "/nonexistent.dmp", "container": "app"}}).to_string())
            .unwrap();
    }
    world.hook(&["notify"]).expect(0);
    assert_eq!((crashes(&world), entries(&world).len()), (2, 0));
}

/// A worker is held up by a program that does not end.
#[test]
fn no_count_waits_for_a_program_that_hangs() {
    let world = HookWorld::new("crun");
    let upload = program(&world, "touch begun; while ! test -e go; do sleep 0.05; done");
    let exec = format!("exec = [{upload:?}, \"{{path}}\"]\nmetrics = {:?}\n", world.path("x.prom"));
    world.settings(&format!("[retention]\nper_container_count = 2\n[notify]\n{exec}"));
    let first = image_of(&world, "app", 1, "first");
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| harvest(&world, &first).expect(0));
        wait_until(|| world.path("begun").exists());
        assert_eq!(crashes(&world), 1, "the first is counted before it is handed over");
        harvest(&world, &image_of(&world, "app", 9, "second")).expect(0);
        assert!(!hanging.is_finished());
        let all = samples(&world);
        let lost = all.iter().find(|((name, _), _)| name == "oci_minidump_dumps_not_kept_total");
        assert_eq!((crashes(&world), lost.map(|(_, count)| *count)), (2, Some(8)), "{all:?}");
        fs::write(world.path("go"), "").unwrap();
    });
    idle(&world);
    assert_eq!((crashes(&world), entries(&world).len()), (2, 0));
}

#[test]
fn a_full_spool_stops_no_count_and_nothing_is_counted_twice() {
    let world = HookWorld::new("crun");
    let upload = program(&world, "exit 1");
    let exec = format!("exec = [{upload:?}, \"{{path}}\"]\nmetrics = {:?}\n", world.path("x.prom"));
    world.settings(&format!("[retention]\nper_container_count = 2\n[notify]\n{exec}"));
    let spool = world.path("spool");
    fs::create_dir(&spool).unwrap();
    // Dumps that another daemon's program has not taken, and their file system is not mounted.
    for number in 0..1000 {
        let away =
            json!({"dump": {"path": "/nonexistent/x.dmp"}, "counted": true, "not_before": u64::MAX / 2});
        fs::write(spool.join(format!("{number:016}-x.json")), away.to_string()).unwrap();
    }
    harvest(&world, &image_of(&world, "app", 9, "loop")).expect(0);
    let total = |name: &str| {
        let all = samples(&world);
        all.iter().filter(|((other, _), _)| other == name).map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!((crashes(&world), total("oci_minidump_dumps_not_kept_total")), (2, 7));
    fs::remove_dir_all(&spool).unwrap();
    world.hook(&["sweep"]).expect(0);
    assert_eq!((crashes(&world), entries(&world).len()), (2, 2));
}

#[test]
fn what_a_crash_loop_does_not_keep_is_counted() {
    let world = HookWorld::new("crun");
    settings(&world, "[retention]\nper_container_count = 2\n");
    harvest(&world, &image_of(&world, "app", 9, "loop")).expect(0);
    let all = samples(&world);
    let of = |name: &str, labels: &[&str]| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        all.get(&(name.to_owned(), labels)).copied()
    };
    assert_eq!(of("oci_minidump_dumps_not_kept_total", &["app"]), Some(7), "{all:?}");
    assert_eq!(crashes(&world), 2, "{all:?}");
}
