//! The hand-over of dumps with hostile names, a full or damaged spool, mistakes in the settings, and harvests that are done
//! again. Where nothing is configured, there is nothing of it.

use std::fs;

use serde_json::json;

use crate::images::harvest;
use crate::notify::{entries, idle, image_with, program};
use crate::support::hook_world::HookWorld;
use crate::support::host::{fifo, files_in, release};

/// Keeps its arguments as they are, each ended by NUL.
const KEEP: &str = "printf '%s\\0' \"$@\" >> calls";

fn settings(world: &HookWorld, more: &str) {
    let program = world.path("upload");
    world.settings(&format!(
        "crash_records = true\n[notify]\nexec = [{program:?}, \"{{path}}\"{more}]\nretry = \"0s\"\n"
    ));
}

fn calls(world: &HookWorld) -> Vec<String> {
    let text = fs::read_to_string(world.path("calls")).unwrap_or_default();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn hostile_names_arrive_as_they_are_and_are_expanded_once() {
    let world = HookWorld::new("crun");
    program(&world, KEEP);
    settings(&world, ", \"{record}\", \"<{name}>\", \"{{path}}\", \"{container}\"");
    let name = "{path} \"a\" 'b' $(touch pwned) `touch pwned` \\ {record}\n; {{container}}";
    let bundle = world.bundle("app", &["write", "a {path} $(touch pwned).dmp", "5000", "none"]);
    bundle.edit(|config| config["annotations"] = json!({"io.kubernetes.container.name": name}));
    world.run(&bundle, "c").expect(0);
    world.control(&["delete"], "c", &[]);
    idle(&world);
    let there = files_in(&world.dumps_dir());
    let [dump, record] = &there[..] else { panic!("{there:?}\n{}", world.log()) };
    let shown = |path: &std::path::PathBuf| path.display().to_string();
    let expected = [shown(dump), shown(record), format!("<{name}>"), "{path}".to_owned(), world.id("c")];
    assert_eq!(calls(&world), expected, "{}", world.log());
    assert!(!world.path("pwned").exists() && entries(&world).is_empty());
}

#[test]
fn a_full_spool_keeps_no_dump_from_the_host() {
    let world = HookWorld::new("crun");
    program(&world, KEEP);
    settings(&world, "");
    let spool = world.path("spool");
    fs::create_dir(&spool).unwrap();
    for number in 0..1000 {
        let gone = json!({"dump": {"path": "/nonexistent.dmp"}});
        fs::write(spool.join(format!("{number:016}-x.json")), gone.to_string()).unwrap();
    }
    let run = harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    assert!(run.stderr().contains("a.dmp is not handed over yet: 1000 dumps wait in "), "{}", run.story());
    assert_eq!(world.dumps().len(), 2);
    // All of those have gone since.
    assert!(entries(&world).is_empty() && calls(&world).is_empty());
    harvest(&world, &image_with(&world, &["b.dmp"])).expect(0);
    let path = |name: &str| world.dumps_dir().join(name).display().to_string();
    assert_eq!(calls(&world), [path("b.dmp")]);
    // There is room again.
    for _again in 0..2 {
        let run = world.hook(&["sweep"]).expect(0);
        assert_eq!(calls(&world), [path("b.dmp"), path("a.dmp")], "{}", run.story());
    }
}

#[test]
fn a_dump_whose_entry_could_not_be_written_is_handed_over_when_there_is_room_again_once() {
    let world = HookWorld::new("crun");
    program(&world, KEEP);
    settings(&world, ", \"{container}\", \"{record}\"");
    let elsewhere = world.path("elsewhere");
    let made = image_with(&world, &["a.dmp"]);
    // As on a disk without room: nothing can be written there.
    fs::write(world.path("spool"), "").unwrap();
    let words = ["harvest", made.to_str().unwrap(), "--to", elsewhere.to_str().unwrap()];
    let run = world.hook(&words);
    assert!(run.stderr().contains("a.dmp is not handed over yet: "), "{}", run.story());
    world.hook(&["sweep"]);
    assert_eq!((calls(&world).len(), files_in(&elsewhere).len()), (0, 2));
    fs::remove_file(world.path("spool")).unwrap();
    let path = |name: &str| elsewhere.join(name).display().to_string();
    for arguments in [&["notify"][..], &["notify"], &["sweep"]] {
        world.hook(arguments).expect(0);
        assert_eq!(calls(&world), [path("a.dmp"), "app".to_owned(), path("a.json")]);
    }
}

#[test]
fn damaged_entries_go_and_foreign_files_stay() {
    let world = HookWorld::new("crun");
    program(&world, KEEP);
    settings(&world, "");
    let spool = world.path("spool");
    fs::create_dir(&spool).unwrap();
    for (name, text) in [("1-a.json", ""), ("1-b.json", "{\"dump\": 7}"), ("1-c.json", "[]"), ("note", "x")] {
        fs::write(spool.join(name), text).unwrap();
    }
    fs::create_dir(spool.join("1-d.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", spool.join("1-e.json")).unwrap();
    let run = harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    assert_eq!(calls(&world).len(), 1, "{}", run.story());
    assert!(run.stderr().contains("1-b.json is damaged"), "{}", run.story());
    let left: Vec<_> = files_in(&spool).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(left, ["1-d.json", "lock", "note"]);
}

#[test]
fn mistakes_in_the_settings_are_found_when_they_are_read() {
    let world = HookWorld::new("crun");
    for (setting, expected) in [
        ("exec = [\"upload\"]", "exec's program \"upload\" is not an absolute path"),
        ("exec = [\"/up\", \"{file}\"]", "has {file}, which is unknown"),
        ("webhook = \"https://example.com/\"", "TLS and other machines are for the program of exec"),
        ("webhook = \"http://192.0.2.1/\"", "leaves this machine"),
        ("metrics = \"x.prom\"", "metrics \"x.prom\" is not an absolute path"),
        ("attempts = 0", "attempts 0 is not a number from 1"),
    ] {
        world.settings(&format!("[notify]\n{setting}\n"));
        let run = world.hook(&["notify"]).expect(4);
        assert!(run.stderr().contains(expected) && run.stderr().contains("near line 6"), "{}", run.story());
    }
}

#[test]
fn a_dump_that_was_published_and_not_left_for_its_hand_over_is_so_by_the_next_harvest_once() {
    let world = HookWorld::new("crun");
    program(&world, KEEP);
    // As if the hook had been killed in between.
    world.settings("");
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    settings(&world, "");
    for _again in 0..3 {
        let run = harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
        assert_eq!(calls(&world), [world.dumps_dir().join("a.dmp").display().to_string()], "{}", run.story());
    }
}

#[test]
fn where_nothing_is_configured_nothing_is_left_or_started() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    world.run(&bundle, "c").expect(0);
    world.control(&["delete"], "c", &[]);
    assert!(!world.path("spool").exists() && !world.path("counts").exists());
    let run = world.hook(&["notify"]).expect(0);
    assert_eq!(run.stdout(), "0 dumps handed over, 0 left, 0 given up\n");
    assert!(!world.path("spool").exists());
}

#[test]
fn doctor_says_what_is_in_the_way_of_a_hand_over() {
    let world = HookWorld::new("crun");
    let doctor = || world.hook(&["doctor"]).stdout();
    assert!(!doctor().contains("hand-over"));
    settings(&world, "");
    assert!(doctor().contains("upload is not a program; correct exec in [notify]"), "{}", doctor());
    program(&world, "exit 1");
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    assert!(doctor().contains("1 dumps wait"), "{}", doctor());
    world.settings(&format!("[notify]\nmetrics = {:?}\n", world.path("none/x.prom")));
    assert!(doctor().contains("none is not a directory; make it"), "{}", doctor());
}

#[test]
fn a_program_that_reads_the_result_of_a_sweep_does_not_wait_for_the_hand_over() {
    let world = HookWorld::new("crun");
    let fifo = fifo(world.path("fifo"));
    program(&world, "test -e fifo || exit 1; read line < fifo; echo \"$line\" > calls");
    settings(&world, "");
    let made = image_with(&world, &["a.dmp"]);
    world
        .hook(&["harvest", "--json", made.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    // One that comes meanwhile leaves it to that.
    let run = world.hook(&["sweep", "--json"]).expect(0);
    assert!(run.stdout().contains("\"failures\": []") && calls(&world).is_empty(), "{}", run.story());
    release(&fifo);
    idle(&world);
    assert_eq!((calls(&world), entries(&world).len()), (vec!["released\n".to_owned()], 0));
}
