//! `sweep --watch`: dumps of containers that go on come to the host by themselves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::images::whole_dump;
use crate::notify::{idle, program};
use crate::running::{Going, start};
use crate::support::hook_world::{HookWorld, SOURCE};
use crate::support::host::{PATIENCE, wait_until};
use crate::support::test_runtimes::runtimes;

/// `sweep --watch --json`, ended with the test.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn new(world: &HookWorld) -> Self {
        let mut child = start(world, &["sweep", "--watch", "--json"]);
        let (stdout, (sender, lines)) = (BufReader::new(child.stdout.take().unwrap()), channel());
        // It ends with the child.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The container and the dumps of the next line.
    fn next(&mut self) -> (String, Vec<String>) {
        let line: Value = serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap();
        let dumps =
            line["dumps"].as_array().unwrap().iter().map(|dump| dump["path"].as_str().unwrap().to_owned());
        (line["container"].as_str().unwrap().to_owned(), dumps.collect())
    }

    fn switches(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        status.lines().filter(|line| line.contains("ctxt_switches")).collect()
    }

    /// Whether it waits, and for nothing that a clock brings.
    fn is_idle(&self) -> bool {
        let before = self.switches();
        std::thread::sleep(std::time::Duration::from_millis(700));
        self.switches() == before
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn each_of_five_children_that_crash_in_turn_is_on_the_host_at_once() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let mut watch = Watch::new(&world);
        let bundle = world.bundle("app", &["sleep", "1000"]);
        world.create(&bundle, "c").expect(0);
        world.control(&["start"], "c", &[]).expect(0);
        let mut paths = Vec::new();
        for _ in 0..5 {
            world.control(&["exec"], "c", &["/crasher", SOURCE, "segv"]);
            let (container, dumps) = watch.next();
            assert_eq!((container, dumps.len()), (world.id("c"), 1));
            paths.extend(dumps);
        }
        paths.sort();
        let on_host = || world.dumps().iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(on_host(), paths);
        // It holds nothing of the image: poststop removes it.
        world.control(&["delete", "--force"], "c", &[]).expect(0);
        assert!(!world.image("app").exists(), "{}", world.log());
        assert_eq!(on_host(), paths, "none twice");
    }
}

#[test]
fn containers_come_and_go_and_nothing_moves_while_nothing_happens() {
    let world = HookWorld::new("crun");
    // The directory of the records may come later than the watch.
    fs::remove_dir(world.path("records")).unwrap();
    let mut watch = Watch::new(&world);
    wait_until(|| world.path("records").exists());
    let mut going = Going::of(world);
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", going.pid())).unwrap();
    going.write("new/a.dmp", &whole_dump(5000));
    assert_eq!(watch.next().1.len(), 1);
    // As Crashpad does: written elsewhere, and moved when it is complete; in a directory that is new.
    going.write("db/new/b", &whole_dump(6000));
    fs::create_dir_all(going.dir().join("db/pending")).unwrap();
    fs::rename(going.dir().join("db/new/b"), going.dir().join("db/pending/b.dmp")).unwrap();
    assert_eq!(watch.next().1.len(), 1);
    // Left until it is closed.
    let file = fs::File::create(going.dir().join("c.dmp")).unwrap();
    std::io::Write::write_all(&mut &file, &whole_dump(7000)).unwrap();
    wait_until(|| watch.is_idle());
    assert_eq!(going.dumps().len(), 2);
    drop(file);
    assert_eq!(watch.next().1.len(), 1);
    wait_until(|| watch.is_idle());
    assert_eq!(fs::read_to_string(format!("/proc/{}/mountinfo", going.pid())).unwrap(), mounts);
    going.end();
    assert_eq!(going.dumps().len(), 3);
    wait_until(|| watch.is_idle());
    going.start();
    going.write("d.dmp", &whole_dump(8000));
    assert_eq!(watch.next().1.len(), 1);
    going.end();
    assert_eq!(going.dumps().len(), 4);
}

/// A handler that gives a complete dump its name with link(2), and then takes the other name away.
#[test]
fn a_dump_that_loses_its_second_name_comes_at_once() {
    let mut going = Going::new();
    let watch = Watch::new(&going.world);
    for (second, name, size) in [("part", "a.dmp", 5000), ("elsewhere/part", "b.dmp", 6000)] {
        going.write(second, &whole_dump(size));
        fs::hard_link(going.dir().join(second), going.dir().join(name)).unwrap();
        wait_until(|| watch.is_idle());
        let count = going.dumps().len();
        fs::remove_file(going.dir().join(second)).unwrap();
        wait_until(|| going.dumps().len() == count + 1);
    }
    wait_until(|| watch.is_idle());
    going.end();
    assert_eq!(going.dumps().len(), 2);
}

/// One container makes files without end; the dumps of another one come all the same.
#[test]
fn a_flood_of_events_costs_others_nothing() {
    let quiet = Going::new();
    let mut watch = Watch::new(&quiet.world);
    let bundle = quiet.world.bundle("loud", &["none"]);
    let held = crate::held::Held::new();
    let state = serde_json::json!(
        {"id": quiet.world.id("loud"), "status": "created", "bundle": bundle.dir, "pid": held.pid()}
    );
    quiet.world.hook_with_input(&["prestart"], &state.to_string()).expect(0);
    let (loud, done) = (held.directory(&bundle), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            let mut count = 0_u64;
            while !done.load(Ordering::Relaxed) {
                for n in 0..200 {
                    fs::write(loud.join(format!("{n}.dmp")), b"MDMP").unwrap();
                    count += 1;
                }
            }
            count
        });
        for n in 0..5 {
            quiet.write(&format!("{n}.dmp"), &whole_dump(5000));
            assert_eq!(
                watch.next(),
                (quiet.id(), vec![quiet.world.dumps_dir().join(format!("{n}.dmp")).display().to_string()])
            );
        }
        done.store(true, Ordering::Relaxed);
        assert!(flooding.join().unwrap() > 1000);
    });
    drop(watch);
    drop(held);
    let stopped = quiet.world.stopped_state(&bundle, "loud");
    quiet.world.hook_with_input(&["poststop"], &stopped).expect(0);
    let mut quiet = quiet;
    quiet.end();
}

/// The disk of the host is full: the dump stays in the image, and comes when there is room, at the end at the latest.
#[test]
fn what_cannot_be_published_waits_in_the_image() {
    let mut going = Going::new();
    fs::write(going.world.dumps_dir(), "in the way").unwrap();
    going.write("a.dmp", &whole_dump(5000));
    let watch = Watch::new(&going.world);
    wait_until(|| watch.is_idle());
    assert_eq!(going.names(), ["a.dmp"]);
    fs::remove_file(going.world.dumps_dir()).unwrap();
    drop(watch);
    let mut watch = Watch::new(&going.world);
    assert_eq!(watch.next().1.len(), 1);
    going.end();
    assert_eq!(going.dumps().len(), 1);
}

#[test]
fn a_dump_of_a_container_that_goes_on_is_handed_over_at_once() {
    let world = HookWorld::new("crun");
    let upload = program(&world, "echo \"$1\" >> handed");
    world.settings(&format!("[notify]\nexec = [{upload:?}, \"{{path}}\"]\n"));
    let mut going = Going::of(world);
    let mut watch = Watch::new(&going.world);
    let handed = || fs::read_to_string(going.world.path("handed")).unwrap_or_default();
    let mut expected = String::new();
    for name in ["a.dmp", "b.dmp"] {
        going.write(name, &whole_dump(5000));
        let (_, dumps) = watch.next();
        expected.push_str(&format!("{}\n", dumps[0]));
        wait_until(|| handed() == expected);
    }
    // No child of its own is left to be waited for.
    let children = format!("/proc/{0}/task/{0}/children", watch.child.id());
    wait_until(|| fs::read_to_string(&children).unwrap().is_empty());
    drop(watch);
    idle(&going.world);
    going.end();
    assert_eq!(fs::read_to_string(going.world.path("handed")).unwrap(), expected);
}
