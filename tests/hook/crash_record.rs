//! The crash record beside a dump: what it says, that it goes with its dump, and that no file of others is touched.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use oci_minidump::harvest::crash_record::CrashRecord;
use oci_minidump::image::mark::Mark;
use oci_minidump::oci::subject::Subject;
use oci_minidump::settings::DEFAULT_IMGSIZE;
use serde_json::{Value, json};

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::files_in;
use crate::support::test_runtimes::runtimes;

const ON: &str = "crash_records = true\n";

/// An image of container `app` with dumps of these names and sizes.
fn image_with(world: &HookWorld, dumps: &[(&str, usize)]) -> PathBuf {
    let made = image(world, DEFAULT_IMGSIZE, |dir| {
        for (name, size) in dumps {
            fs::write(dir.join(name), whole_dump(*size)).unwrap();
        }
    });
    let subject = Some(Subject { pod: Some("pod-1".to_owned()), ..Subject::default() });
    let mark = Mark { container: Some("app".to_owned()), subject, ..Mark::default() };
    mark.write(&fs::File::open(&made).unwrap());
    made
}

/// The names of all that lies in the destination.
fn names(world: &HookWorld) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files_in(&world.dumps_dir()).into_iter().map(name).collect()
}

fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_record_says_whose_the_dump_is_and_what_crashed() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        world.settings(ON);
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        let hex = "0123456789abcdef".repeat(4);
        bundle.edit(|config| {
            config["annotations"] = json!({
                "io.kubernetes.container.name": "web",
                "io.kubernetes.pod.name": "web-1\u{1b}[2J\u{202e}\n",
                "io.kubernetes.pod.namespace": "x".repeat(100_000),
                "io.kubernetes.cri-o.ImageName": "example.com/web:1",
                "io.kubernetes.cri-o.ImageRef": format!("example.com/web@sha256:{hex}"),
            });
        });
        world.run(&bundle, "c").expect(0);
        world.control(&["delete"], "c", &[]);
        assert_eq!(names(&world), ["a.dmp", "a.json"], "{}", world.log());
        let dump = world.dumps_dir().join("a.dmp");
        let text = fs::read_to_string(world.dumps_dir().join("a.json")).unwrap();
        assert!(
            text.len() < 4096 && text.lines().count() == 1 && !text.contains(['\u{1b}', '\u{202e}']),
            "{text}"
        );
        let record: Value = serde_json::from_str(&text).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        for (key, value) in [
            ("container", json!(world.id("c"))),
            ("name", json!("web")),
            ("pod", json!("web-1\u{1b}[2J\u{202e}\n")),
            ("namespace", json!("x".repeat(256))),
            ("image", json!("example.com/web:1")),
            ("digest", json!(format!("sha256:{hex}"))),
            ("bundle", json!(bundle.dir)),
            ("boot", json!(boot.trim_end())),
            ("sha256", json!(sha256(&dump))),
            ("size", json!(5000)),
            ("crash_record", json!(1)),
        ] {
            assert_eq!(record[key], value, "{key}\n{text}");
        }
        // What is not known is absent.
        assert!(record.get("signal").is_none() && record.get("module").is_none(), "{text}");

        let path = dump.to_str().unwrap();
        let info = world.hook(&["info", path]).stdout();
        assert!(info.contains("name:       web\n") && info.contains(&sha256(&dump)), "{info}");
        assert!(!info.contains(['\u{1b}', '\u{202e}']), "{info}");
        let info: Value = serde_json::from_str(&world.hook(&["info", "--json", path]).stdout()).unwrap();
        assert_eq!(info[0]["record"], record);
        let dir = world.dumps_dir();
        let list = world.hook(&["list", dir.to_str().unwrap()]).expect(0).stdout();
        assert!(list.contains("/web-1") && !list.contains('\u{1b}') && list.lines().count() == 2, "{list}");
        let list = world.hook(&["list", "--json", dir.to_str().unwrap()]).expect(0).stdout();
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list[0]["record"], record);
    }
}

#[test]
fn without_the_setting_there_is_no_record_and_a_later_harvest_adds_it() {
    let world = HookWorld::new("crun");
    harvest(&world, &image_with(&world, &[("a.dmp", 3000)])).expect(0);
    assert_eq!(names(&world), ["a.dmp"]);
    world.settings(ON);
    harvest(&world, &image_with(&world, &[("a.dmp", 3000)])).expect(0);
    assert_eq!(names(&world), ["a.dmp", "a.json"]);
    let record = CrashRecord::find(&world.dumps_dir().join("a.dmp")).unwrap();
    assert_eq!(record.subject.pod.as_deref(), Some("pod-1"), "after a power cut, the image knows it");
}

#[test]
fn a_record_goes_with_its_dump() {
    let world = HookWorld::new("crun");
    world.settings(&format!("{ON}[retention]\nmax_count = 2\nper_container_count = 3\n"));
    let sizes = [("a.dmp", 3000), ("b.dmp", 3001), ("c.dmp", 3002), ("d.dmp", 3003), ("e.dmp", 3004)];
    harvest(&world, &image_with(&world, &sizes)).expect(0);
    let there = names(&world);
    assert_eq!(there.len(), 4, "{there:?}");
    for pair in there.chunks(2) {
        assert_eq!(pair[0].strip_suffix(".dmp"), pair[1].strip_suffix(".json"), "{there:?}");
    }
    // The uploader takes a dump, and knows nothing of records.
    world.settings(ON);
    fs::remove_file(world.dumps_dir().join(&there[0])).unwrap();
    harvest(&world, &image_with(&world, &[("f.dmp", 3005)])).expect(0);
    assert_eq!(names(&world), [&there[2], &there[3], "f.dmp", "f.json"]);
}

#[test]
fn names_of_records_match_no_glob_for_dumps_and_take_no_file_of_others() {
    let world = HookWorld::new("crun");
    world.settings(ON);
    let dir = world.dumps_dir();
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("a.json"), "{\"theirs\": true}").unwrap();
    fs::write(dir.join("victim"), "of the host").unwrap();
    std::os::unix::fs::symlink("victim", dir.join("b.json")).unwrap();
    // A hook was killed before it gave this dump its name.
    fs::write(dir.join("c.json"), "{\"crash_record\":1,\"size\":3}").unwrap();
    let dumps = [("a.dmp", 3000), ("b.dmp", 3001), ("c.dmp", 3002), ("x.dmp.dmp", 3003)];
    harvest(&world, &image_with(&world, &dumps)).expect(0);
    let there = names(&world);
    let expected =
        ["a-2.dmp", "a-2.json", "a.json", "b-2.dmp", "b-2.json", "b.json", "c.dmp", "c.json", "victim"];
    assert_eq!(there[..9], expected, "{there:?}");
    assert!(
        there[9..].iter().all(|name| name.starts_with("x.dmp.dmp") || name.starts_with("x_dmp-")),
        "{there:?}"
    );
    assert_eq!(there.iter().filter(|name| name.contains(".dmp")).count(), 4, "{there:?}");
    assert_eq!(fs::read_to_string(dir.join("a.json")).unwrap(), "{\"theirs\": true}");
    assert_eq!(fs::read_to_string(dir.join("victim")).unwrap(), "of the host");
    assert_eq!(CrashRecord::find(&dir.join("c.dmp")).unwrap().size, 3002);
}

/// A container may compute the name of the record of another's dump, and name its own dump so that its record has that.
#[test]
fn a_dump_takes_no_record_of_another_away() {
    let world = HookWorld::new("crun");
    world.settings(ON);
    harvest(&world, &image_with(&world, &[("a.dmp.b.dmp", 3000)])).expect(0);
    let there = names(&world);
    let record = there.iter().find(|name| name.ends_with(".json")).unwrap();
    let rival = record.replace(".json", ".dmp");
    harvest(&world, &image_with(&world, &[(&rival, 4000)])).expect(0);
    assert_eq!(CrashRecord::find(&world.dumps_dir().join("a.dmp.b.dmp")).unwrap().size, 3000);
    assert_eq!(names(&world).len(), 4, "both have a record: {:?}", names(&world));
}

/// Hooks harvest dumps of the same names into the same directory at once: every dump has its own record.
#[test]
fn hooks_at_once_give_every_dump_its_own_record() {
    let world = HookWorld::new("crun");
    world.settings(ON);
    let images: Vec<PathBuf> = (0..6)
        .map(|n| {
            let made = image_with(&world, &[("same.dmp", 3000 + n), ("other.dmp", 4000 + n)]);
            let place = world.image(&format!("at-once-{n}"));
            fs::rename(made, &place).unwrap();
            place
        })
        .collect();
    std::thread::scope(|scope| {
        for image in &images {
            scope.spawn(|| harvest(&world, image).expect(0));
        }
    });
    let there = names(&world);
    assert_eq!(there.len(), 24, "{there:?}");
    let dumps = files_in(&world.dumps_dir());
    for path in dumps.iter().filter(|path| path.extension().is_some_and(|ending| ending == "dmp")) {
        let record = CrashRecord::find(path).unwrap();
        assert_eq!((record.sha256, record.size), (sha256(path), path.metadata().unwrap().len()), "{path:?}");
    }
}

/// A full disk keeps dump and record away together, and the image stays.
#[test]
fn on_a_full_disk_there_is_neither_dump_nor_record_until_there_is_room() {
    let world = HookWorld::new("crun");
    world.settings(ON);
    let made = image_with(&world, &[("a.dmp", 200_000)]);
    let disk = world.path("disk");
    fs::File::create(&disk).unwrap().set_len(4 << 20).unwrap();
    let words = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0"].map(AsRef::as_ref);
    crate::support::host::command("mke2fs", &[&words[..], &[disk.as_ref()]].concat());
    world.with_mounted(&disk, |dir| {
        let to = dir.join("dumps");
        fs::create_dir(&to).unwrap();
        let filler = dir.join("filler");
        // From no room at all to room for the dump, but not for its record, to room for both.
        let (mut failures, mut room) = (0, 0);
        loop {
            let mut file = fs::File::create(&filler).unwrap();
            while file.write_all(&[b'x'; 4096]).is_ok() {}
            let size = file.metadata().unwrap().len();
            file.set_len(size - room).unwrap();
            let run = world.hook(&["harvest", made.to_str().unwrap(), "--to", to.to_str().unwrap()]);
            let there = files_in(&to);
            if run.code() == Some(0) {
                assert!(there.len() == 2 && !made.exists(), "{there:?} {}", run.story());
                break;
            }
            assert!(there.is_empty() && made.exists(), "{there:?} {}", run.story());
            failures += 1;
            room += 8192;
        }
        assert!(failures > 3, "{failures}");
    });
}
