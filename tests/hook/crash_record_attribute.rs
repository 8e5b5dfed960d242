//! Crash records in an extended attribute of the dump.

use std::fs::{self, File};
use std::path::PathBuf;

use oci_minidump::harvest::crash_record::CrashRecord;
use oci_minidump::harvest::marks;
use oci_minidump::image::mark::Mark;
use oci_minidump::notify::entry::record_of;
use oci_minidump::oci::subject::Subject;
use oci_minidump::settings::DEFAULT_IMGSIZE;
use serde_json::{Value, json};

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::files_in;

const ON: &str = "crash_records = \"xattr\"\n";

/// An image of container `app` with a dump, and the longest names that an engine can give.
fn made(world: &HookWorld) -> PathBuf {
    let made = image(world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), whole_dump(3000)).unwrap());
    let long = || Some("\u{e9}\"".repeat(85));
    let subject = Some(Subject { pod: long(), image: long(), bundle: long(), ..Subject::default() });
    Mark { container: Some("app".to_owned()), subject, ..Mark::default() }.write(&File::open(&made).unwrap());
    made
}

fn names(world: &HookWorld) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files_in(&world.dumps_dir()).into_iter().map(name).collect()
}

#[test]
fn a_dump_carries_its_record_and_its_marks_and_nothing_lies_beside_it() {
    let world = HookWorld::new("crun");
    world.settings(&format!("{ON}[retention]\nburst = \"2/1h\"\n"));
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    bundle.edit(|config| {
        let long = "\u{1b}\"".repeat(500);
        config["annotations"] = json!({
            "io.kubernetes.container.name": "web",
            "io.kubernetes.pod.name": long,
            "io.kubernetes.pod.namespace": "x".repeat(1000),
        });
    });
    world.run(&bundle, "c").expect(0);
    world.control(&["delete"], "c", &[]);
    assert_eq!(names(&world), ["a.dmp"], "{}", world.log());
    let dump = world.dumps_dir().join("a.dmp");
    let record = CrashRecord::find(&dump).unwrap();
    assert_eq!((record.container, record.size), (Some(world.id("c")), 5000));
    assert_eq!((marks::number(&dump), marks::container(&dump)), (1, Some(world.id("c").into_bytes())));
    let list = world.hook(&["list", "--json", world.dumps_dir().to_str().unwrap()]).expect(0).stdout();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        (&list[0]["record"]["sha256"], &list[0]["record"]["size"]),
        (&json!(record.sha256), &json!(5000))
    );
    let info = world.hook(&["info", dump.to_str().unwrap()]).stdout();
    assert!(info.contains(&record.sha256), "{info}");
    // There is room for the marks that come later.
    marks::set_not_kept(&dump, u64::MAX).unwrap();
    marks::set_crash_loop(&dump, &format!("{} {} {}", u64::MAX, i64::MIN, u64::MAX)).unwrap();
}

#[test]
fn a_later_harvest_adds_what_is_missing_and_a_file_that_is_there_serves() {
    let world = HookWorld::new("crun");
    let dump = world.dumps_dir().join("a.dmp");
    harvest(&world, &made(&world)).expect(0);
    assert_eq!(CrashRecord::find(&dump), None);
    world.settings(ON);
    for _ in 1..=2 {
        harvest(&world, &made(&world)).expect(0);
        assert_eq!((names(&world), CrashRecord::find(&dump).unwrap().size), (vec!["a.dmp".to_owned()], 3000));
    }
    fs::remove_file(&dump).unwrap();
    for settings in ["crash_records = \"file\"\n", ON, "crash_records = true\n"] {
        world.settings(settings);
        harvest(&world, &made(&world)).expect(0);
        assert_eq!(names(&world), ["a.dmp", "a.json"]);
        assert_eq!(record_of(&dump), None, "{settings}");
    }
}

/// What stands in an attribute may be anything.
#[test]
fn an_attribute_that_cannot_be_understood_is_absent() {
    let world = HookWorld::new("crun");
    harvest(&world, &made(&world)).expect(0);
    let dump = world.dumps_dir().join("a.dmp");
    for text in ["", "{", "[]", "{\"crash_record\":2,\"size\":1,\"sha256\":\"\",\"truncated\":false}"] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&dump, "user.oci-minidump.record", text.as_bytes(), flags).unwrap();
        assert_eq!(CrashRecord::find(&dump), None, "{text}");
        world.hook(&["list", world.dumps_dir().to_str().unwrap()]).expect(0);
    }
}
