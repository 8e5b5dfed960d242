//! The hook as a runtime runs it, at two moments of a container's life, with harm done to it on the way.
//!
//! The container is a process in a mount namespace of its own. Without a runtime around it, a whole life takes some
//! 50 ms, so that every step can have its turn.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use oci_minidump::harvest::crash_record::{self, CrashRecord};
use serde_json::{Value, json};

use crate::fault_cases::{Case, Image};
use crate::held::Held;
use crate::images::dump_bytes;
use crate::neighbour::Neighbour;
use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::{away_from_the_host, files_in, hook_program};
use crate::support::programs::{fault_injector, kernel_without};
use crate::support::run::Run;

/// By how many calls of a kind the hook has certainly read its settings: alone, and behind `without`.
const UNTIL_SETTINGS: (usize, usize) = (120, 250);

/// The dumps in an image that is left, and the one that the app writes in the end.
const LEFT: [(&str, usize); 2] = [("a.dmp", 50_000), ("b.dmp", 70_000)];
const LAST: (&str, usize) = ("last.dmp", 5000);

/// A case and the world in which it happens again and again.
pub(crate) struct Stage<'a> {
    pub(crate) case: &'a Case,
    pub(crate) world: HookWorld,
    pub(crate) bundle: Bundle,
    /// A copy of what lies where the image goes.
    left: PathBuf,
    neighbour: Neighbour,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.neighbour.finish(&self.world);
        }
    }
}

impl<'a> Stage<'a> {
    pub(crate) fn new(case: &'a Case) -> Self {
        let world = HookWorld::new("crun");
        let records = if case.records { "crash_records = true\n" } else { "" };
        world.settings(records);
        let bundle = world.bundle("app", &["none"]);
        bundle.set_required(case.required);
        bundle.edit(|config| {
            config["rdkPlugins"]["minidump"]["data"]["paths"][0]["imgsize"] = case.imgsize.into()
        });
        let left = world.path("left.img");
        // Its image is on the disk in any case.
        let neighbour = Neighbour::start(&world);
        if case.memory {
            world.settings(&format!("image_backing = \"memory\"\n{records}"));
        }
        let stage = Self { case, world, bundle, left, neighbour };
        if case.image != Image::Absent {
            stage.leave();
        }
        stage
    }

    /// Makes an image with dumps as a container leaves it.
    fn leave(&self) {
        let held = Held::new();
        self.hook("prestart", Some(&held)).expect(0);
        let dir = held.directory(&self.bundle);
        for (name, size) in LEFT {
            fs::write(dir.join(name), dump_bytes(size)).unwrap();
        }
        let image = self.image();
        if self.case.image == Image::Dirty {
            crate::support::host::command("sync", &["-f".as_ref(), dir.as_ref()]);
            fs::copy(&image, &self.left).unwrap();
            drop(held);
        } else {
            drop(held);
            self.world.settle();
            fs::copy(&image, &self.left).unwrap();
        }
        self.world.settle();
        fs::remove_file(image).unwrap();
        for record in self.records() {
            if record.to_str().unwrap().contains(&self.world.id("c")) {
                fs::rename(&record, self.left_record()).unwrap();
            }
        }
    }

    /// Makes everything as it is before the stage.
    pub(crate) fn lay(&self) {
        if self.case.image != Image::Absent {
            fs::copy(&self.left, self.image()).unwrap();
        }
        if self.case.stage != "prestart" {
            let name = format!("{}.0123456789abcdef.{:032x}.json", self.world.id("c"), 1);
            fs::copy(self.left_record(), self.world.path("records").join(name)).unwrap();
        }
    }

    /// Where the image lies while a container runs.
    fn image(&self) -> PathBuf {
        if self.case.memory { self.world.memory_image("app") } else { self.world.image("app") }
    }

    /// A copy of the record of the run that left the image.
    fn left_record(&self) -> PathBuf {
        self.world.path("left.json")
    }

    /// The hook's records.
    fn records(&self) -> Vec<PathBuf> {
        files_in(&self.world.path("records"))
    }

    /// The OCI state, at prestart with the process of a container, after it without.
    pub(crate) fn state(&self, held: Option<&Held>) -> Value {
        let status = if held.is_some() { "created" } else { "stopped" };
        json!({
            "ociVersion": "1.0.2", "id": self.world.id("c"), "status": status, "bundle": self.bundle.dir,
            "pid": held.map_or(0, Held::pid),
        })
    }

    /// The stage with a fault (`none`, `kill@N`, `ERRNO@N`) among calls of `kinds`. Gives the calls seen, too.
    pub(crate) fn run(&self, held: &Held, kinds: &str, fault: &str) -> (Run, Vec<String>) {
        let report = self.world.path("calls");
        let mut command = Command::new(fault_injector());
        command.arg(&report).args([kinds, fault]).args(self.words(self.case.stage));
        let held = Some(held).filter(|_| self.case.stage == "prestart");
        let (what, step) = fault.split_once('@').unwrap_or((fault, "0"));
        let until = if self.case.missing.is_empty() { UNTIL_SETTINGS.0 } else { UNTIL_SETTINGS.1 };
        if what != "kill" && step.parse::<usize>().unwrap() <= until {
            // A hook that cannot read its settings goes by the defaults.
            command = away_from_the_host(&command);
        }
        if self.case.refusing {
            symlink("/tmp", self.world.dumps_dir()).unwrap();
        }
        let run = self.world.feed(command, &self.state(held).to_string());
        if self.case.refusing {
            fs::remove_file(self.world.dumps_dir()).unwrap();
        }
        self.neighbour.write();
        let calls = fs::read_to_string(report).unwrap_or_else(|_| panic!("no report: {}", run.story()));
        (run, calls.lines().map(str::to_owned).collect())
    }

    /// The command line of the hook on the kernel of the case.
    fn words(&self, stage: &str) -> Vec<OsString> {
        let launcher = [kernel_without().into(), self.case.missing.into()];
        let settings = self.world.path("settings.toml").into();
        let hook = [hook_program().into(), "--settings".into(), settings, stage.into()];
        launcher.into_iter().filter(|_| !self.case.missing.is_empty()).chain(hook).collect()
    }

    /// The hook without a fault.
    pub(crate) fn hook(&self, stage: &str, held: Option<&Held>) -> Run {
        let words = self.words(stage);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        self.world.feed(command, &self.state(held).to_string())
    }

    /// The stage without a fault, and the life of the container to its end, in which the app writes one more dump;
    /// then everything must be as it always is.
    pub(crate) fn finish(&self, story: &dyn Fn() -> String) {
        if self.case.stage == "prestart" {
            let held = Held::new();
            let run = self.hook("prestart", Some(&held));
            assert_eq!(run.code(), Some(0), "{}\nfirst: {}", run.story(), story());
            assert!(held.has_directory(&self.bundle), "{}\nfirst: {}", run.story(), story());
            self.write_last(&held);
        }
        self.end(self.case.stage == "prestart", story);
    }

    /// The app writes its dump.
    pub(crate) fn write_last(&self, held: &Held) {
        fs::write(held.directory(&self.bundle).join(LAST.0), dump_bytes(LAST.1)).unwrap();
    }

    /// Checks that a stage that failed has left nothing but an image that was there before.
    pub(crate) fn assert_as_before(&self, story: &dyn Fn() -> String) {
        let mut remains = self.world.settle();
        if self.case.image != Image::Absent {
            remains.retain(|what| !what.contains("/images/app.img") && !what.contains("/records/"));
        }
        assert!(remains.is_empty(), "left behind: {remains:?}\n{}", story());
    }

    /// What was taken for damaged is still there for a person to harvest.
    fn harvest_asides(&self, story: &dyn Fn() -> String) {
        for path in files_in(&self.world.path("images")) {
            if path.to_str().unwrap().contains(".damaged") {
                let to = self.world.dumps_dir();
                let run = self.world.hook(&["harvest", path.to_str().unwrap(), "--to", to.to_str().unwrap()]);
                assert_eq!(run.code(), Some(0), "{}\nfirst: {}", run.story(), story());
            }
        }
    }

    /// poststop without a fault, after which every dump is there once, and nothing else is left.
    pub(crate) fn end(&self, with_last: bool, story: &dyn Fn() -> String) {
        let run = self.hook("poststop", None);
        assert_eq!(run.code(), Some(0), "{}\nfirst: {}", run.story(), story());
        self.harvest_asides(story);
        let dumps = self.dumps(story);
        let left = LEFT.iter().filter(|_| self.case.image != Image::Absent);
        let expected: Vec<&str> =
            left.chain(Some(&LAST).filter(|_| with_last)).map(|(name, _)| *name).collect();
        assert_eq!(dumps, expected, "{}\nfirst: {}", run.story(), story());
        if self.case.records {
            self.assert_records(story);
        }
        let mut remains = self.world.settle();
        // A draft whose name could not be removed goes with the next harvest.
        if self.case.missing.contains("O_TMPFILE") && remains.iter().any(|what| what.contains("/.oci-")) {
            self.lay();
            self.hook("poststop", None).expect(0);
            remains = self.world.settle();
        }
        assert!(remains.is_empty(), "left behind: {remains:?}\n{}\nfirst: {}", run.story(), story());
        if self.world.dumps_dir().exists() {
            fs::remove_dir_all(self.world.dumps_dir()).unwrap();
        }
    }

    /// Every dump has its record, every record its dump. A hook that could not read its settings keeps none.
    fn assert_records(&self, story: &dyn Fn() -> String) {
        let of_dump = |name: &String| crash_record::file_name(name);
        let expected: Vec<String> = self.dumps(story).iter().map(of_dump).collect();
        let there =
            self.world.dumps().into_iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
        let there: Vec<String> =
            there.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        let has_settings = !story().contains("the defaults are used");
        assert!(there.iter().all(|name| expected.contains(name)), "{there:?}\n{}", story());
        assert!(!has_settings || there == expected, "{there:?}\n{}", story());
        for path in self.world.dumps().iter().filter(|path| path.extension().is_some_and(|e| e == "dmp")) {
            if !has_settings
                && !there.contains(&of_dump(&path.file_name().unwrap().to_str().unwrap().to_owned()))
            {
                continue;
            }
            let record = CrashRecord::find(path).unwrap_or_else(|| panic!("{path:?}\n{}", story()));
            assert_eq!(record.size, path.metadata().unwrap().len(), "{}", story());
            // An image that was set aside, and that an earlier run left without a mark, has no owner.
            let may_be_unknown =
                self.case.stage == "prestart" && record.container.is_none() && story().contains(".aside-");
            assert!(may_be_unknown || record.container == Some(self.world.id("c")), "{}", story());
            let bundle = self.bundle.dir.to_str().unwrap();
            // A start harvests what an earlier run has left, of which it may know nothing.
            let is_known = self.case.stage != "prestart" || record.subject.bundle.is_some();
            assert!(!is_known || record.subject.bundle.as_deref() == Some(bundle), "{}", story());
        }
    }

    /// The names of the dumps on the host, each of which must be whole.
    pub(crate) fn dumps(&self, story: &dyn Fn() -> String) -> Vec<String> {
        let whole: BTreeMap<&str, usize> = LEFT.into_iter().chain([LAST]).collect();
        let mut names = Vec::new();
        for path in self.world.dumps() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // A draft has a hidden name, is no dump for anybody, and is cleared away by the next harvest.
            if name.starts_with(".oci-minidump-part-") || self.case.records && name.ends_with(".json") {
                continue;
            }
            let size = *whole.get(name.as_str()).unwrap_or_else(|| panic!("{name} on the host: {}", story()));
            assert!(fs::read(&path).unwrap() == dump_bytes(size), "{name} is not whole: {}", story());
            names.push(name);
        }
        names
    }
}
