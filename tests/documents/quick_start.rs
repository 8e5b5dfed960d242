//! The quick starts of the README, line by line.

use std::fs;

use serde_json::{Value, json};

use crate::example_host::{ExampleHost, Line};
use crate::files::root;
use crate::markdown::Document;
use crate::support::programs::crasher;

/// The lines of the quick start `title` of the README.
fn quick_start(title: &str) -> Vec<String> {
    let section = Document::open(&root().join("README.md")).section(title);
    let section = Document { path: "README.md".into(), text: section };
    let blocks = section.blocks();
    assert_eq!(blocks.len(), 1, "{title}");
    blocks.into_iter().next().unwrap().lines
}

/// Checks that a list has one dump, and says whose it is.
fn assert_lists_the_dump(line: &Line, container: &str) {
    assert_eq!((line.status, line.output.lines().count()), (0, 2), "{line:?}");
    for part in [container, "app", "SIGSEGV", "whole", ".dmp"] {
        assert!(line.output.contains(part), "{part}: {line:?}");
    }
}

/// Checks that a line says what happened in the crash.
fn assert_names_the_crash(line: &Line) {
    assert_eq!(line.status, 0, "{line:?}");
    assert!(line.output.contains("SIGSEGV") && line.output.contains("0x1234"), "{line:?}");
}

#[test]
fn a_bundle() {
    let world = ExampleHost::new();
    world.make_bundle();
    let lines = world.run("", &quick_start("Quick start: a bundle"));
    let [add, check, run, list, info] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!((add.status, check.status), (0, 0), "{lines:#?}");
    assert!(!check.output.contains("PROBLEM"), "{check:?}");
    assert_eq!(run.status, 128 + 11, "{run:?}");
    assert_lists_the_dump(list, &world.id());
    assert_names_the_crash(info);
}

#[test]
fn podman() {
    let world = ExampleHost::new();
    configure_podman(&world);
    let tree = world.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::copy(crasher(), tree.join("app")).unwrap();
    let file = "FROM scratch\nCOPY app /app\nCMD [\"/app\", \"/opt/minidumps\", \"segv\"]\n";
    fs::write(tree.join("Containerfile"), file).unwrap();
    let lines = world.run(PREPARE_PODMAN, &quick_start("Quick start: podman"));
    let [enable, run, list] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(enable.status, 0, "{enable:?}");
    assert_eq!(run.status, 128 + 11, "{run:?}");
    assert_lists_the_dump(list, "");
}

/// The image, and a directory of podman's own into which nothing of the host's is written.
const PREPARE_PODMAN: &str = "\
mkdir upper work
mount -t overlay -o lowerdir=/usr/share/containers,upperdir=upper,workdir=work overlay /usr/share/containers || exit 99
podman build --quiet --tag my-image tree >&2 || exit 99
";

/// Storage and limits of a podman of the world's own.
fn configure_podman(world: &ExampleHost) {
    // Without CAP_SYS_RESOURCE podman's default limits cannot be set.
    let containers = "[containers]\nnetns = \"none\"\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
         [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"crun\"\n";
    fs::write(world.path("containers.conf"), containers).unwrap();
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = {:?}\nrunroot = \"/run/containers/storage\"\n",
        world.path("storage")
    );
    fs::write(world.path("storage.conf"), storage).unwrap();
}

#[test]
fn the_daemon() {
    let world = ExampleHost::new();
    world.make_bundle();
    // The bundle is the one of the first quick start.
    let add = quick_start("Quick start: a bundle")[0].clone();
    let lines = world.run(&format!("{add} >&2 || exit 99"), &quick_start("Quick start: the daemon"));
    let [start, logs, wait, dumps, curl] = &lines[..] else { panic!("{lines:#?}") };
    assert!([start, logs, wait, dumps, curl].iter().all(|line| line.status == 0), "{lines:#?}");
    assert!(wait.output.contains("signal 11"), "{wait:?}");
    assert!(dumps.output.contains("/var/lib/minidumps") || dumps.output.contains(".dmp"), "{dumps:?}");
    let answer: Value =
        serde_json::from_str(curl.output.trim()).unwrap_or_else(|error| panic!("{error}: {curl:?}"));
    assert_eq!(answer["result"], json!({"containers": [], "errorReason": "", "success": true}), "{curl:?}");
}
