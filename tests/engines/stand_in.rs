//! The stand-in for a runtime: transparent, and a hook for containers that ask for it.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::{command, hook_program};
use crate::support::run::Run;
use crate::support::test_runtimes::runtimes;

/// A stand-in for `runtime`, whose hooks have the world's settings.
struct StandIn<'w> {
    world: &'w HookWorld,
    runtime: &'static str,
    program: PathBuf,
}

impl<'w> StandIn<'w> {
    fn new(world: &'w HookWorld, runtime: &'static str) -> Self {
        let hook = world.path("bin/oci-minidump-hook");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        command("cp", &[hook_program().as_ref(), hook.as_ref()]);
        let program = hook.with_file_name("oci-minidump-runtime");
        std::os::unix::fs::symlink("oci-minidump-hook", &program).unwrap();
        Self { world, runtime, program }
    }

    fn command(&self, words: &[&OsStr]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--minidump-runtime", self.runtime, "--minidump-settings"]);
        command
            .arg(self.world.path("settings.toml"))
            .arg("--root")
            .arg(self.world.path("runtime"))
            .args(words);
        command
    }

    fn call(&self, words: &[&str]) -> Run {
        self.world.feed(self.command(&words.iter().map(OsStr::new).collect::<Vec<_>>()), "")
    }

    /// A bundle that says nothing of us.
    fn bundle(&self, actions: &[&str]) -> Bundle {
        let bundle = self.world.bundle("app", actions);
        bundle.edit(|config| {
            let config = config.as_object_mut().unwrap();
            config.remove("hooks");
            config.remove("rdkPlugins");
        });
        bundle
    }
}

fn ask(config: &mut Value) {
    config["annotations"] = json!({"org.rdk.minidump": SOURCE});
}

#[test]
fn containers_that_ask_are_harvested_with_every_form_of_the_bundle() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let stand_in = StandIn::new(&world, runtime);
        let bundle = stand_in.bundle(&["segv"]);
        let dir = bundle.dir.to_str().unwrap().to_owned();
        let equals = format!("--bundle={dir}");
        for (n, form) in [&["--bundle", &dir][..], &[&equals], &["-b", &dir]].into_iter().enumerate() {
            bundle.edit(ask);
            let (name, id) = (format!("f{n}"), world.id(&format!("f{n}")));
            world.created(&name);
            let run = stand_in.call(&[&["run"], form, &[&id]].concat());
            assert_eq!(world.dumps().len(), 1, "{runtime} {form:?}: {}", run.story());
            fs::remove_file(world.dump()).unwrap();
            assert!(!run.output.status.success(), "{}", run.story());
        }
        // The bundle is where the caller is.
        world.created("here");
        let id = world.id("here");
        let mut here = stand_in.command(&["run".as_ref(), id.as_ref()]);
        here.current_dir(&bundle.dir);
        let run = world.feed(here, "");
        assert_eq!(world.dumps().len(), 1, "{runtime}: {}", run.story());
        // However often it was created, the hook is registered once.
        let config = bundle.config();
        for stage in ["prestart", "poststop"] {
            assert_eq!(config["hooks"][stage].as_array().unwrap().len(), 1, "{config}");
        }
    }
}

#[test]
fn the_environment_asks_as_annotations_do() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let stand_in = StandIn::new(&world, runtime);
        let bundle = stand_in.bundle(&["segv"]);
        bundle.edit(|config| {
            config["process"]["env"] = json!(["PATH=/", format!("org.rdk.minidump={SOURCE}")]);
        });
        let id = world.id("c");
        world.created("c");
        stand_in.call(&["create", "--bundle", bundle.dir.to_str().unwrap(), &id]).expect(0);
        stand_in.call(&["start", &id]).expect(0);
        crate::support::host::wait_until(|| stand_in.call(&["state", &id]).stdout().contains("stopped"));
        stand_in.call(&["delete", &id]).expect(0);
        world.dump();
    }
}

#[test]
fn hooks_that_are_there_stay_and_come_first() {
    let world = HookWorld::new("crun");
    let stand_in = StandIn::new(&world, "crun");
    let bundle = stand_in.bundle(&["segv"]);
    let mark = world.path("marked");
    let foreign = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("echo x >> '{}'", mark.display())]});
    bundle.edit(|config| {
        ask(config);
        config["hooks"] = json!({"prestart": [foreign], "poststop": [foreign], "createRuntime": [foreign]});
    });
    world.created("c");
    stand_in.call(&["run", "--bundle", bundle.dir.to_str().unwrap(), &world.id("c")]);
    world.dump();
    assert_eq!(fs::read_to_string(mark).unwrap(), "x\nx\nx\n");
    assert_eq!(bundle.config()["hooks"]["prestart"][0], foreign);
}

#[test]
fn nothing_is_changed_and_everything_passed_on_for_other_containers() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let stand_in = StandIn::new(&world, runtime);
        let bundle = stand_in.bundle(&["none"]);
        bundle.edit(|config| {
            config["process"]["args"] = json!(["/sh", "-c", "echo $A; cat; exit 7"]);
            config["process"]["env"] = json!(["PATH=/", "A=b"]);
        });
        for name in ["sh", "cat"] {
            fs::copy("/bin/busybox", bundle.rootfs().join(name)).unwrap();
        }
        let before = fs::read(bundle.dir.join("config.json")).unwrap();
        world.created("c");
        let id = world.id("c");
        let words = ["run", "--bundle", bundle.dir.to_str().unwrap(), &id].map(OsStr::new);
        let run = world.feed(stand_in.command(&words), "input").expect(7);
        assert_eq!(run.stdout(), "b\ninput");
        assert_eq!(fs::read(bundle.dir.join("config.json")).unwrap(), before);
        // Every verb, and what the runtime says itself.
        for words in
            [&["--version"][..], &["list"], &["state", "nosuch"], &["delete", "nosuch"], &["nosuch"], &[]]
        {
            let with = stand_in.call(words);
            let words: Vec<_> = words.iter().map(OsStr::new).collect();
            let without = world.feed(world.runtime(&words), "");
            assert_eq!(with.code(), without.code(), "{runtime} {words:?}: {}", with.story());
            assert_eq!(with.stdout(), without.stdout(), "{runtime} {words:?}");
        }
    }
}

#[test]
fn a_bundle_that_cannot_be_read_is_the_runtimes_to_refuse() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let stand_in = StandIn::new(&world, runtime);
        let bundle = stand_in.bundle(&["none"]);
        fs::write(bundle.dir.join("config.json"), "{").unwrap();
        let words = ["create", "--bundle", bundle.dir.to_str().unwrap(), "bad"];
        let with = stand_in.call(&words);
        let without = world.feed(world.runtime(&words.map(OsStr::new)), "");
        assert!(!with.output.status.success() && with.code() == without.code(), "{}", with.story());
    }
}

#[test]
fn a_runtime_that_is_missing_and_a_required_hook_that_cannot_be_registered_are_said() {
    let world = HookWorld::new("crun");
    let stand_in = StandIn::new(&world, "nosuch-runtime");
    let run = stand_in.call(&["list"]).expect(9);
    assert!(run.stderr().contains("the OCI runtime nosuch-runtime is missing"), "{}", run.story());
    let stand_in = StandIn { world: &world, runtime: "crun", program: stand_in.program };
    let bundle = stand_in.bundle(&["none"]);
    bundle.edit(|config| {
        ask(config);
        config["annotations"]["org.rdk.minidump.required"] = "true".into();
        config["hooks"] = json!([]);
    });
    let log = world.path("runtime.log");
    let words = ["--log", log.to_str().unwrap(), "create", "--bundle", bundle.dir.to_str().unwrap(), "bad"];
    let run = stand_in.call(&words).expect(4);
    let said: Value = serde_json::from_str(fs::read_to_string(log).unwrap().trim()).unwrap();
    assert!(said["msg"].as_str().unwrap().contains("hooks is not a JSON object"), "{said} {}", run.story());
    assert_eq!(said["level"], "error");
    assert!(run.stderr().contains("hooks is not a JSON object"), "{}", run.story());
}
