//! The hand-over of published dumps to a program: each dump until it succeeds, without a stop that waits, and nothing is lost.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oci_minidump::image::mark::Mark;
use oci_minidump::settings::DEFAULT_IMGSIZE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::{fifo, files_in, release, wait_until};
use crate::support::test_runtimes::runtimes;

/// What begins every program here: its arguments become a line of `calls`.
const NOTE: &str = "line=\"$*\"; echo \"$line\" >> calls\n";

/// A program of the administrator in `world`, a script that runs in the directory of it.
pub(crate) fn program(world: &HookWorld, body: &str) -> PathBuf {
    let path = world.path("upload");
    fs::write(&path, format!("#!/bin/sh\ncd '{}' || exit 9\n{body}\n", world.dir.display())).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// The settings with which that program gets `arguments`.
fn hand_over(world: &HookWorld, arguments: &str, more: &str) {
    let program = world.path("upload");
    world.settings(&format!("[notify]\nexec = [{program:?}, {arguments}]\nretry = \"0s\"\n{more}"));
}

/// An image of container `app` with dumps of these names.
pub(crate) fn image_with(world: &HookWorld, dumps: &[&str]) -> PathBuf {
    let made = image(world, DEFAULT_IMGSIZE, |dir| {
        for (name, size) in dumps.iter().zip(3000..) {
            fs::write(dir.join(name), whole_dump(size)).unwrap();
        }
    });
    Mark { container: Some("app".to_owned()), ..Mark::default() }.write(&File::open(&made).unwrap());
    made
}

/// The lines of a file of the world; none when it is not there.
fn lines(world: &HookWorld, name: &str) -> Vec<String> {
    fs::read_to_string(world.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The entries that wait, from the first on.
pub(crate) fn entries(world: &HookWorld) -> Vec<Value> {
    let is_entry = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let waiting = files_in(&world.path("spool")).into_iter().filter(is_entry);
    waiting.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

/// The workers of a world. One that a hook has started is there when the hook has ended.
fn workers(world: &HookWorld) -> Vec<i32> {
    let settings = world.path("settings.toml").display().to_string();
    let is_ours = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.contains(&settings.as_bytes()) && words.contains(&&b"notify"[..])
    };
    let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(is_ours).collect()
}

/// Waits until no worker of the world is at work.
pub(crate) fn idle(world: &HookWorld) {
    wait_until(|| workers(world).is_empty());
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The processes that a program has named in `pids`, when it has.
fn pids(world: &HookWorld, count: usize) -> Vec<i32> {
    let found = || lines(world, "pids").iter().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>();
    wait_until(|| found().len() >= count);
    found()
}

#[test]
fn each_dump_is_handed_over_until_the_program_succeeds_and_not_again() {
    let world = HookWorld::new("crun");
    // Each dump fails twice.
    program(&world, &format!("{NOTE}test $(grep -c \"$1\" calls) -gt 2"));
    hand_over(&world, "\"{path}\", \"{container}\", \"[{record}]\"", "");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "write", "b.dmp", "6000", "none"]);
    world.run(&bundle, "c").expect(0);
    world.control(&["delete"], "c", &[]);
    idle(&world);
    let line = |name: &str| format!("{} {} []", world.dumps_dir().join(name).display(), world.id("c"));
    let mut first = lines(&world, "calls");
    first.sort();
    assert_eq!(first, [line("a.dmp"), line("b.dmp")], "{}", world.log());
    assert_eq!(entries(&world).len(), 2);
    let run = world.hook(&["sweep"]).expect(0);
    assert!(
        run.stderr().contains("cannot hand over") && run.stderr().contains("which is tried again"),
        "{}",
        run.story()
    );
    assert_eq!(lines(&world, "calls").len(), 4);
    let run = world.hook(&["notify"]).expect(0);
    assert_eq!(run.stdout(), "2 dumps handed over, 0 left, 0 given up\n");
    for arguments in [&["sweep"][..], &["notify", "--now"]] {
        world.hook(arguments).expect(0);
    }
    let calls = lines(&world, "calls");
    assert_eq!((calls.len(), entries(&world).len()), (6, 0), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| **call == line("a.dmp")).count(), 3, "{calls:?}");
}

#[test]
fn a_stop_does_not_wait_for_the_program_which_has_nothing_of_the_runtime() {
    for runtime in runtimes() {
        assert_stop_goes_on(HookWorld::new(runtime));
        // What the runtime leaks is not closed there, and how a process ended has to be looked for.
        assert_stop_goes_on(HookWorld::new(runtime).without("close_range,pidfd_open"));
    }
}

fn assert_stop_goes_on(world: HookWorld) {
    let fifo = fifo(world.path("fifo"));
    program(
        &world,
        "cat /proc/$$/environ > environ; echo $PPID >> pids; read line < fifo; echo $line > done",
    );
    hand_over(&world, "\"{path}\"", "");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    world.run(&bundle, "c").expect(0);
    world.control(&["delete"], "c", &[]);
    let worker = pids(&world, 1)[0];
    assert!(!world.path("done").exists());
    let open: Vec<String> = fs::read_dir(format!("/proc/{worker}/fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .collect();
    let lock = world.path("spool/lock").display().to_string();
    let is_its_own = |path: &String| {
        path == "/dev/null" || *path == lock || path.starts_with("pipe:") || path.contains("pidfd")
    };
    let outer: Vec<_> = open.iter().filter(|path| !is_its_own(path)).collect();
    // Syslog, where the host has one.
    assert!(outer.iter().all(|path| path.starts_with("socket:")), "{open:?}");
    assert_eq!(open.iter().filter(|path| path.starts_with("pipe:")).count(), 1, "{open:?}");
    assert_eq!(fs::read_link(format!("/proc/{worker}/cwd")).unwrap(), Path::new("/"));
    let session = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap();
    let session = session.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, worker.to_string(), "a session of its own");
    release(&fifo);
    idle(&world);
    assert_eq!((lines(&world, "done"), entries(&world).len()), (vec!["released".to_owned()], 0));
    let environ = fs::read(world.path("environ")).unwrap();
    assert!(environ.starts_with(b"PATH=") && environ.iter().filter(|byte| **byte == 0).count() == 1);
}

#[test]
fn a_program_that_hangs_is_killed_with_its_group_at_the_deadline() {
    let world = HookWorld::new("crun");
    program(
        &world,
        "trap '' TERM HUP; sleep 1000 & echo $! >> pids; echo $$ >> pids; echo so far; wait; sleep 1000",
    );
    hand_over(&world, "\"{path}\"", "deadline = \"1s\"\n");
    let run = harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    assert!(run.stderr().contains("did not end within 1 s and was killed: so far"), "{}", run.story());
    let started = pids(&world, 2);
    wait_until(|| started.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(entries(&world)[0]["attempts"], 1);
    // One that ends leaves nothing either, and what it says does not hold anything up.
    program(
        &world,
        "sleep 1000 & echo $! > pids; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 3",
    );
    let run = world.hook(&["sweep"]).expect(0);
    assert!(run.stderr().contains("x the end") && run.stderr().len() < 4000, "{}", run.stderr().len());
    assert!(run.stderr().contains("exit status: 3"), "{}", run.story());
    let started = pids(&world, 1);
    wait_until(|| started.iter().all(|pid| !is_alive(*pid)));
}

#[test]
fn a_worker_that_is_killed_loses_nothing() {
    let world = HookWorld::new("crun");
    let _fifo = fifo(world.path("fifo"));
    program(
        &world,
        &format!("{NOTE}if ! test -e pids; then echo $PPID > pids; echo $$ >> pids; read line < fifo; fi"),
    );
    hand_over(&world, "\"{path}\"", "");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    world.run(&bundle, "c").expect(0);
    world.control(&["delete"], "c", &[]);
    let started = pids(&world, 2);
    // One that comes meanwhile leaves it to that worker.
    let run = world.hook(&["notify"]).expect(6);
    assert_eq!(run.stdout(), "another process hands over dumps\n");
    kill_process(Pid::from_raw(started[0]).unwrap(), Signal::KILL).unwrap();
    wait_until(|| started.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(entries(&world).len(), 1);
    world.hook(&["sweep"]).expect(0);
    assert_eq!((lines(&world, "calls").len(), entries(&world).len()), (2, 0));
}

#[test]
fn of_stops_at_once_every_dump_is_handed_over_once_by_one_worker() {
    let world = HookWorld::new("crun");
    // The directory is there while the program runs: another one at the same time says so.
    program(&world, &format!("mkdir running || echo twice >> wrong\n{NOTE}rmdir running"));
    hand_over(&world, "\"{path}\"", "");
    let names: Vec<String> = (0..6).map(|n| format!("at-once-{n}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let (world, dump) = (&world, format!("{name}.dmp"));
            scope.spawn(move || {
                let bundle = world.bundle(name, &["write", &dump, "5000", "none"]);
                world.run(&bundle, name).expect(0);
                world.control(&["delete"], name, &[]);
            });
        }
    });
    idle(&world);
    let mut calls = lines(&world, "calls");
    calls.sort();
    let expected: Vec<_> = names
        .iter()
        .map(|name| world.dumps_dir().join(format!("{name}.dmp")).display().to_string())
        .collect();
    assert_eq!(
        (calls, lines(&world, "wrong").len(), entries(&world).len()),
        (expected, 0, 0),
        "{}",
        world.log()
    );
}

#[test]
fn a_dump_that_has_gone_is_forgotten_and_one_that_fails_too_often_is_given_up() {
    let world = HookWorld::new("crun");
    program(&world, &format!("{NOTE}exit 1"));
    hand_over(&world, "\"{path}\"", "attempts = 2\n");
    harvest(&world, &image_with(&world, &["a.dmp", "b.dmp"])).expect(0);
    fs::remove_file(world.dumps_dir().join("a.dmp")).unwrap();
    let run = world.hook(&["notify"]).expect(1);
    assert_eq!(run.stdout(), "0 dumps handed over, 0 left, 1 given up\n");
    assert!(run.stderr().contains("b.dmp is not handed over after 2 attempts: "), "{}", run.story());
    assert!(!run.stderr().contains("a.dmp"), "{}", run.story());
    assert_eq!((lines(&world, "calls").len(), entries(&world).len()), (3, 0));
    assert!(world.dumps_dir().join("b.dmp").exists());
}

#[test]
fn a_pause_follows_a_failure_unless_a_person_wants_it_now() {
    let world = HookWorld::new("crun");
    program(&world, &format!("{NOTE}exit 1"));
    hand_over(&world, "\"{path}\"", "");
    let text = fs::read_to_string(world.path("settings.toml")).unwrap();
    fs::write(world.path("settings.toml"), text.replace("retry = \"0s\"", "retry = \"30min\"")).unwrap();
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    world.hook(&["sweep"]).expect(0);
    assert_eq!(world.hook(&["notify"]).expect(1).stdout(), "0 dumps handed over, 1 left, 0 given up\n");
    assert_eq!(lines(&world, "calls").len(), 1);
    world.hook(&["notify", "--now"]).expect(1);
    assert_eq!(lines(&world, "calls").len(), 2);
    // The clock was set back by years since: no pause is as long.
    let entry = files_in(&world.path("spool")).into_iter().find(|path| path.extension().is_some()).unwrap();
    let mut later: Value = serde_json::from_slice(&fs::read(&entry).unwrap()).unwrap();
    later["not_before"] = json!(later["not_before"].as_u64().unwrap() + 100_000_000);
    fs::write(&entry, later.to_string()).unwrap();
    world.hook(&["notify"]).expect(1);
    assert_eq!(lines(&world, "calls").len(), 3);
}

/// A box without a battery begins in 1970, and is set while a dump waits.
#[test]
fn a_clock_that_is_set_takes_no_dump_its_attempts_and_one_that_waits_too_long_is_given_up() {
    let world = HookWorld::new("crun");
    program(&world, &format!("{NOTE}exit 1"));
    hand_over(&world, "\"{path}\"", "keep = \"7d\"\n");
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    let change = |change: &dyn Fn(&mut Value)| {
        let is_entry = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
        let entry = files_in(&world.path("spool")).into_iter().find(is_entry).unwrap();
        let mut document: Value = serde_json::from_slice(&fs::read(&entry).unwrap()).unwrap();
        change(&mut document);
        fs::write(&entry, document.to_string()).unwrap();
    };
    change(&|entry| {
        entry["written"] = json!(100);
        entry["not_before"] = json!(130);
        entry["attempts"] = json!(5);
    });
    let run = world.hook(&["notify"]).expect(1);
    assert_eq!(run.stdout(), "0 dumps handed over, 1 left, 0 given up\n", "{}", run.story());
    change(&|entry| entry["age"]["seconds"] = json!(8 * 86_400));
    let run = world.hook(&["notify", "--now"]).expect(1);
    assert_eq!(run.stdout(), "0 dumps handed over, 0 left, 1 given up\n", "{}", run.story());
}

/// crun takes two children that end at once for one, and waits for the other until its timeout.
#[test]
fn a_worker_of_a_hook_waits_for_the_end_of_that() {
    let world = HookWorld::new("crun");
    program(&world, &format!("{NOTE}exit 1"));
    hand_over(&world, "\"{path}\"", "");
    harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    let mut hook = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let after = hook.id().to_string();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| world.hook(&["notify", "--after", &after]));
        wait_until(|| !workers(&world).is_empty());
        assert_eq!(lines(&world, "calls").len(), 1);
        drop(hook.stdin.take());
        worker.join().unwrap().expect(1);
    });
    // It has not been reaped, so that its number is not another's.
    assert_eq!(lines(&world, "calls").len(), 2);
    hook.wait().unwrap();
    world.hook(&["notify", "--after", &after]).expect(1);
    assert_eq!(lines(&world, "calls").len(), 3);
}
