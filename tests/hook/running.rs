//! `harvest --running`: complete dumps of containers that go on are brought to the host, once, and make room in the image.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::held::Held;
use crate::images::whole_dump;
use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::{command, files_in, hook_program};
use crate::support::programs::fault_injector;
use crate::support::run::Run;
use crate::support::test_runtimes::runtimes;

/// A container that runs, as far as the hook can see.
pub(crate) struct Going {
    held: Option<Held>,
    pub(crate) bundle: Bundle,
    pub(crate) world: HookWorld,
}

impl Going {
    pub(crate) fn new() -> Self {
        Self::of(HookWorld::new("crun"))
    }

    pub(crate) fn of(world: HookWorld) -> Self {
        let bundle = world.bundle("app", &["none"]);
        let mut going = Self { held: None, bundle, world };
        going.start();
        going
    }

    /// Starts the container, once more after its end.
    pub(crate) fn start(&mut self) {
        self.held = Some(Held::new());
        let state =
            json!({"id": self.id(), "status": "created", "bundle": self.bundle.dir, "pid": self.pid()});
        self.world.hook_with_input(&["prestart"], &state.to_string()).expect(0);
    }

    pub(crate) fn id(&self) -> String {
        self.world.id("c")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.held.as_ref().unwrap().pid()
    }

    /// The minidump directory, as the container sees it.
    pub(crate) fn dir(&self) -> PathBuf {
        self.held.as_ref().unwrap().directory(&self.bundle)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// What is in the minidump directory, without what every file system has.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = files_in(&self.dir()).into_iter().map(|path| path.file_name().unwrap().to_owned());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "lost+found").collect()
    }

    pub(crate) fn harvest(&self) -> Run {
        self.world.hook(&["harvest", "--running", &self.id()])
    }

    /// The container ends, and its poststop comes. Nothing may be left then.
    pub(crate) fn end(&mut self) {
        drop(self.held.take());
        self.poststop();
        assert!(!self.world.image("app").exists(), "{}", self.world.log());
    }

    pub(crate) fn poststop(&self) {
        let state = self.world.stopped_state(&self.bundle, "c");
        self.world.hook_with_input(&["poststop"], &state).expect(0);
    }

    /// What was brought to the host, by name.
    pub(crate) fn dumps(&self) -> Vec<(String, Vec<u8>)> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        self.world.dumps().iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
    }
}

fn named(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.to_vec())
}

fn mounts(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap()
}

fn free(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).unwrap().f_bavail
}

#[test]
fn a_complete_dump_is_brought_to_the_host_and_makes_room() {
    let mut going = Going::new();
    let (before, empty) = (mounts(going.pid()), free(&going.dir()));
    let [one, two] = [whole_dump(300_000), whole_dump(70_000)];
    going.write("a.dmp", &one);
    going.write("profile/new/b.dmp", &two);
    assert!(free(&going.dir()) < empty - 300_000 / 4096);
    let run = going.world.hook(&["harvest", "--running", "--json"]).expect(0);
    let report: Value = serde_json::from_str(&run.stdout()).unwrap();
    let harvested = &report["harvested"][0];
    assert_eq!(harvested["container"], going.id(), "{report}");
    assert_eq!(harvested["path"], json!(going.world.image("app")), "{report}");
    assert_eq!((&harvested["image"], harvested["dumps"].as_array().unwrap().len()), (&json!("kept"), 2));
    assert_eq!(going.dumps(), [named("a.dmp", &one), named("b.dmp", &two)]);
    assert_eq!(going.names(), ["profile"]);
    assert!(free(&going.dir()) >= empty - 8, "the room is free again");
    assert_eq!(mounts(going.pid()), before, "the container sees nothing of it");
    assert_eq!(fs::metadata(&going.world.dumps()[0]).unwrap().mode() & 0o7777, 0o600);
    going.harvest().expect(0);
    going.write("c.dmp", &one);
    going.end();
    assert_eq!(going.dumps(), [named("a.dmp", &one), named("b.dmp", &two), named("c.dmp", &one)]);
}

#[test]
fn what_may_still_be_written_is_left() {
    let mut going = Going::new();
    let whole = whole_dump(50_000);
    // Complete, but a program has it open for writing.
    going.write("open.dmp", &whole);
    let open = File::options().append(true).open(going.dir().join("open.dmp")).unwrap();
    // The program has died half-way, or will go on.
    going.write("half.dmp", &whole[..90]);
    // The header is written last.
    going.write("headless.dmp", &[&[0; 32], &whole[32..]].concat());
    going.write("empty.dmp", b"");
    going.harvest().expect(0);
    assert_eq!(going.dumps(), []);
    assert_eq!(going.names(), ["empty.dmp", "half.dmp", "headless.dmp", "open.dmp"]);
    drop(open);
    going.write("headless.dmp", &whole);
    going.harvest().expect(0);
    assert_eq!(going.dumps(), [named("headless.dmp", &whole), named("open.dmp", &whole)]);
    assert_eq!(going.names(), ["empty.dmp", "half.dmp"]);
    going.end();
    let all = [named("half.dmp", &whole[..90]), named("headless.dmp", &whole), named("open.dmp", &whole)];
    assert_eq!(going.dumps(), all);
}

/// A dump is removed only when it is safe.
#[test]
fn a_full_disk_of_the_host_keeps_dumps_in_the_image() {
    let mut going = Going::new();
    let whole = whole_dump(500_000);
    going.write("a.dmp", &whole);
    fs::create_dir_all(going.world.dumps_dir()).unwrap();
    let dumps = going.world.dumps_dir();
    going.world.in_own_namespace(|| {
        let size = ["-t", "tmpfs", "-o", "size=100k", "tmpfs", dumps.to_str().unwrap()];
        command("mount", &size.map(AsRef::as_ref));
        let run = going.harvest().expect(1);
        assert!(run.stderr().contains("cannot publish a.dmp"), "{}", run.story());
        assert_eq!((going.dumps(), going.names()), (Vec::new(), vec!["a.dmp".to_owned()]));
    });
    going.harvest().expect(0);
    assert_eq!((going.dumps(), going.names().len()), (vec![named("a.dmp", &whole)], 0));
    going.end();
    assert_eq!(going.dumps(), [named("a.dmp", &whole)]);
}

/// Killed at every moment, the hook loses nothing, and poststop finds nothing twice.
#[test]
fn a_harvest_killed_at_every_step_loses_nothing_and_doubles_nothing() {
    harm_everywhere("changes", "kill");
}

#[test]
fn a_harvest_in_which_any_call_fails_loses_nothing_and_doubles_nothing() {
    for (kinds, errno) in [("changes", "28"), ("changes", "5"), ("opens,reads", "5")] {
        harm_everywhere(kinds, errno);
    }
}

/// Harvests with harm done at every call of these kinds in turn.
fn harm_everywhere(kinds: &str, fault: &str) {
    let dumps = [whole_dump(5000), whole_dump(7000)];
    for step in 1.. {
        let mut going = Going::new();
        going.write("a.dmp", &dumps[0]);
        going.write("b.dmp", &dumps[1]);
        let mut command = Command::new(fault_injector());
        command.arg(going.world.path("report")).args([kinds, &format!("{fault}@{step}")]);
        command.arg(hook_program()).arg("--settings").arg(going.world.path("settings.toml"));
        command.args(["harvest", "--running", &going.id()]);
        let run = going.world.feed(command, "");
        let calls = fs::read_to_string(going.world.path("report")).unwrap().lines().count();
        let is_over = calls < step;
        assert!(
            fault != "kill" || run.code() == Some(if is_over { 0 } else { 137 }),
            "{step}: {}",
            run.story()
        );
        if step % 2 == 0 {
            going.harvest().expect(0);
            assert_eq!(going.names(), [""; 0], "{step}: {}", run.story());
        }
        going.end();
        assert_eq!(
            going.dumps(),
            [named("a.dmp", &dumps[0]), named("b.dmp", &dumps[1])],
            "{fault} at {step}"
        );
        if is_over {
            assert!(step > 20, "{step} steps");
            return;
        }
    }
}

#[test]
fn harvests_and_a_poststop_at_once_give_every_dump_once() {
    for end_first in [false, true] {
        let mut going = Going::new();
        let dumps: Vec<_> = (0..8).map(|n| (format!("{n}.dmp"), whole_dump(20_000 + n * 1000))).collect();
        for (name, bytes) in &dumps {
            going.write(name, bytes);
        }
        if end_first {
            drop(going.held.take());
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| going.world.hook(&["harvest", "--running"]));
                scope.spawn(|| going.world.hook(&["sweep"]));
            }
            scope.spawn(|| going.poststop());
        });
        going.end();
        assert_eq!(going.dumps(), dumps, "{}", going.world.log());
    }
}

/// Only containers that run are harvested so, each to its own destination.
#[test]
fn containers_that_have_ended_or_are_not_known_are_left_to_poststop() {
    let mut going = Going::new();
    going.write("a.dmp", &whole_dump(5000));
    let unknown = going.world.hook(&["harvest", "--running", "nosuch"]).expect(10);
    unknown.fails_with("no container 'nosuch' runs");
    // Its name is that of another image now.
    let image = going.world.image("app");
    let aside = image.with_extension("aside");
    fs::rename(&image, &aside).unwrap();
    going.harvest().expect(0);
    fs::copy(&aside, &image).unwrap();
    going.harvest().expect(0);
    fs::rename(&aside, &image).unwrap();
    drop(going.held.take());
    going.harvest().expect(10);
    assert_eq!(going.dumps(), []);
    going.end();
    assert_eq!(going.dumps().len(), 1);
}

/// A program with processes that crash one after the other, with real Breakpad and real runtimes.
#[test]
fn each_of_five_children_that_crash_in_turn_has_its_dump_on_the_host() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["sleep", "1000"]);
        world.create(&bundle, "c").expect(0);
        world.control(&["start"], "c", &[]).expect(0);
        for count in 1..=5 {
            world.control(&["exec"], "c", &["/crasher", SOURCE, "segv"]);
            world.hook(&["harvest", "--running", &world.id("c")]).expect(0);
            assert_eq!(world.dumps().len(), count, "{}", world.log());
        }
        let dumps = world.dumps();
        world.control(&["delete", "--force"], "c", &[]).expect(0);
        assert_eq!(world.dumps(), dumps, "none twice: {}", world.log());
        let info = world.hook(&["info", dumps[0].to_str().unwrap()]).expect(0);
        assert!(info.stdout().contains("SIGSEGV"), "{}", info.story());
    }
}

#[test]
fn an_old_kernel_does_it_too() {
    let mut going = Going::of(HookWorld::new("crun"));
    going.write("a.dmp", &whole_dump(5000));
    let without = crate::support::programs::kernel_without();
    let mut command = Command::new(without);
    command.arg("fsopen,openat2,O_TMPFILE").arg(hook_program());
    command.arg("--settings").arg(going.world.path("settings.toml")).args(["harvest", "--running"]);
    going.world.feed(command, "").expect(0);
    assert_eq!((going.dumps().len(), going.names().len()), (1, 0), "{}", going.world.log());
    going.end();
    assert_eq!(going.dumps().len(), 1);
}

/// The hook at work, to be stopped by the test.
pub(crate) fn start(world: &HookWorld, arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(hook_program());
    command.arg("--settings").arg(world.path("settings.toml")).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}
