//! podman, which writes its own config.json: the hook comes by hooks.d, its configuration by annotation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::images::{dump_bytes, image};
use crate::support::hook_world::{AWKWARD, HookWorld};
use crate::support::host::{files_in, hook_program, mounts_below};
use crate::support::programs::crasher;
use crate::support::run::Run;
use crate::support::test_runtimes::runtimes;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// What enables the hook.
const ON: (&str, &str) = ("org.rdk.minidump", "/opt/minidumps");

/// A podman with storage and an installed hook of its own.
struct Podman<'w> {
    world: &'w HookWorld,
    runtime: &'static str,
}

impl Podman<'_> {
    fn command(&self, arguments: &[&str]) -> Run {
        let mut podman = Command::new("podman");
        for (option, part) in [("--root", "storage"), ("--runroot", "podman-run"), ("--tmpdir", "podman-tmp")]
        {
            podman.arg(option).arg(self.world.path(part));
        }
        podman
            .args(["--cgroup-manager", "cgroupfs", "--runtime", self.runtime, "--hooks-dir"])
            .arg(hooks_dir(self.world));
        podman.args(arguments);
        self.world.feed(podman, "")
    }

    /// Makes the container image `name` of the program `from` alone, with annotations in its manifest.
    fn build(&self, name: &str, from: &Path, annotations: &[(&str, &str)]) {
        let tree = self.world.path("tree");
        fs::create_dir_all(&tree).unwrap();
        let program = from.file_name().unwrap().to_str().unwrap();
        fs::copy(from, tree.join(program)).unwrap();
        fs::write(tree.join("Containerfile"), format!("FROM scratch\nCOPY {program} /{program}\n")).unwrap();
        let annotations = arguments(annotations);
        // The cache knows nothing of annotations.
        let mut words = vec!["build", "--no-cache", "--tag", name];
        words.extend(annotations.iter().map(String::as_str));
        self.command(&[&words, &[tree.to_str().unwrap()][..]].concat()).expect(0);
    }

    /// Runs `words`: options, a container image, and the arguments of its program.
    fn run(&self, words: &[&str]) -> Run {
        let fixed = [
            // Without CAP_SYS_RESOURCE podman's default limits cannot be set.
            "run",
            "--rm",
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1024:1024",
            "--network",
            "none",
        ];
        self.command(&[&fixed, words].concat())
    }
}

/// Annotations as options of podman.
fn arguments(annotations: &[(&str, &str)]) -> Vec<String> {
    annotations
        .iter()
        .flat_map(|(key, value)| ["--annotation".to_owned(), format!("{key}={value}")])
        .collect()
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        // The clean-up that podman leaves to conmon may still go on, and with it the mount of the storage. The last podman
        // to end takes that away.
        for _ in 0..100 {
            self.command(&["rmi", "--all", "--force"]);
            if mounts_below(&self.world.path("storage")).is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        // The world says what is left.
    }
}

/// Where the hook is installed.
fn prefix(world: &HookWorld) -> PathBuf {
    world.path(AWKWARD)
}

fn hooks_dir(world: &HookWorld) -> PathBuf {
    prefix(world).join("share/containers/oci/hooks.d")
}

fn install(world: &HookWorld, more: &[&str]) -> Output {
    let mut install = Command::new(Path::new(ROOT).join("scripts/install"));
    // Any program will do as the daemon.
    install.envs(["OCI_MINIDUMP_HOOK", "OCICONTAINER"].map(|name| (name, hook_program())));
    install.arg("--prefix").arg(prefix(world)).args(more);
    install.output().unwrap()
}

/// Gives the installed hook the world's settings.
fn use_settings_of(world: &HookWorld) {
    change_installed(world, |hook, _| {
        let settings = json!(["--settings", world.path("settings.toml")]);
        hook["args"].as_array_mut().unwrap().splice(1..1, settings.as_array().unwrap().clone());
    });
}

/// Replaces the installed hook by one with the world's settings that writes to the world's log: podman keeps what a hook
/// says to itself.
fn log_in(world: &HookWorld) {
    change_installed(world, |hook, stage| *hook = world.hook_entry(stage));
}

fn change_installed(world: &HookWorld, change: impl Fn(&mut Value, &str)) {
    let installed = install(world, &[]);
    assert!(installed.status.success(), "{installed:?}");
    for file in files_in(&hooks_dir(world)) {
        let mut json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let stage = json["stages"][0].as_str().unwrap().to_owned();
        change(&mut json["hook"], &stage);
        fs::write(file, json.to_string()).unwrap();
    }
}

#[test]
fn podman_harvests_with_crun_and_runc() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        use_settings_of(&world);
        let podman = Podman { world: &world, runtime };
        podman.build("crash:1", crasher(), &[]);
        let (image, dumps) = (world.image("podman"), world.dumps_dir().join("deep"));
        let given = arguments(&[
            ON,
            ("org.rdk.minidump.image", image.to_str().unwrap()),
            ("org.rdk.minidump.hostDestination", dumps.to_str().unwrap()),
        ]);
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let ways: [&[&str]; 3] = [&[], &["--read-only"], &["--read-only", "--user", "1000"]];
        for (n, options) in ways.iter().enumerate() {
            let app = ["crash:1", "/crasher", "/opt/minidumps", "segv"];
            let run = podman.run(&[&given, *options, &app[..]].concat());
            assert_eq!(files_in(&dumps).len(), n + 1, "{runtime} {options:?}: {}", run.story());
            assert!(!image.exists(), "{runtime} {options:?}");
        }
        for dump in files_in(&dumps) {
            minidump::Minidump::read_path(dump).unwrap();
        }
    }
}

/// A container image whose author asks for minidumps in its manifest, and for more than that.
struct Hostile<'w> {
    podman: Podman<'w>,
    /// What the hooks have said so far.
    said: usize,
}

impl<'w> Hostile<'w> {
    fn new(world: &'w HookWorld, runtime: &'static str) -> Self {
        log_in(world);
        Self { podman: Podman { world, runtime }, said: 0 }
    }

    /// Runs `script` in the container, whose manifest has the annotations `more`; gives what the hooks said, too.
    fn run(&mut self, more: &[(&str, &str)], script: &str) -> (Run, String) {
        let more: Vec<(String, &str)> =
            more.iter().map(|(name, value)| (format!("org.rdk.minidump.{name}"), *value)).collect();
        let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.podman.build("hostile:1", Path::new("/bin/busybox"), &[&[ON], &more[..]].concat());
        let run = self.podman.run(&["hostile:1", "/busybox", "sh", "-c", script]);
        let log = run.log[self.said..].to_owned();
        self.said = run.log.len();
        (run, log)
    }

    /// Checks that the container runs without minidumps, or, when the manifest says that it needs them, not at all.
    fn is_refused(&mut self, more: &[(&str, &str)], setting: &str) {
        let (run, log) = self.run(more, "test ! -e /opt/minidumps");
        let reason = format!("{setting}, section [annotations] of the settings");
        assert!(log.contains(&reason) && log.contains("it starts without minidumps"), "{}", run.story());
        run.expect(0);
        let (run, log) = self.run(&[more, &[("required", "true")]].concat(), "exit 0");
        assert!(!run.output.status.success() && log.contains(&reason), "{}", run.story());
    }
}

#[test]
fn an_author_of_an_image_gets_minidumps_and_nothing_else_by_its_manifest() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let mut hostile = Hostile::new(&world, runtime);
        let (run, _) = hostile.run(&[("imgsize", "262144")], "echo MDMP > /opt/minidumps/a.dmp");
        assert_eq!(world.dumps(), [world.dumps_dir().join("a.dmp")], "{}", run.story());
        hostile.is_refused(&[("imgsize", "67108865")], "raise max_imgsize");
    }
}

#[test]
fn an_author_of_an_image_does_not_get_the_dumps_of_another_container() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let mut hostile = Hostile::new(&world, runtime);
        let victim =
            image(&world, 8 << 20, |dir| fs::write(dir.join("victim.dmp"), dump_bytes(777)).unwrap());
        let more = [("image", victim.to_str().unwrap()), ("hostDestination", "/proc/nowhere")];
        let (run, _) = hostile.run(&more, "/busybox rm /opt/minidumps/*");
        assert!(victim.exists(), "{}", run.story());
        hostile.is_refused(&more, "list its directory in host_destinations");
        world
            .hook(&["harvest", victim.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
            .expect(0);
        assert!(
            fs::read(world.dumps_dir().join("victim.dmp")).unwrap() == dump_bytes(777),
            "{}",
            world.log()
        );
    }
}

#[test]
fn an_author_of_an_image_who_names_the_image_of_a_container_that_is_gone_gets_a_new_one() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let mut hostile = Hostile::new(&world, runtime);
        let victim = world.bundle("victim", &["write", "victim.dmp", "777", "none"]);
        victim.edit(|config| config["hooks"]["poststop"] = json!([]));
        world.run(&victim, "victim").expect(0);
        let image = world.image("victim");
        let own = world.dumps_dir().join("own");
        let more = [("image", image.to_str().unwrap()), ("hostDestination", own.to_str().unwrap())];
        let script = "for file in /opt/minidumps/*.dmp; do test ! -e $file || exit 3; done";
        let (run, _) = hostile.run(&more, script);
        let run = run.expect(0);
        let dump = fs::read(world.dumps_dir().join("victim.dmp")).unwrap_or_default();
        assert!(dump == dump_bytes(777), "{}", run.story());
        assert_eq!(files_in(&own), [] as [PathBuf; 0], "{}", run.story());
        // Its record goes with the next sweep.
        world.hook(&["sweep"]).expect(0);
    }
}

#[test]
fn an_author_of_an_image_makes_nothing_on_the_host() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let mut hostile = Hostile::new(&world, runtime);
        let elsewhere = world.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir(world.dumps_dir()).unwrap();
        std::os::unix::fs::symlink(&elsewhere, world.dumps_dir().join("link")).unwrap();
        let file = elsewhere.join("nologin");
        let file = file.to_str().unwrap();
        hostile.is_refused(&[("image", file)], "list its directory in image_dirs");
        // This one would have stayed for ever.
        let more = [("image", file), ("hostDestination", "/proc/nowhere")];
        hostile.is_refused(&more, "list its directory in image_dirs");
        let climbing = format!("{}/../elsewhere/nologin", world.path("images").display());
        let (run, log) = hostile.run(&[("image", &climbing)], "exit 0");
        assert!(log.contains("contains '..'"), "{}", run.story());
        let crash = "echo MDMP > /opt/minidumps/a.dmp";
        for dir in [elsewhere.join("dumps"), world.path("dumpsters")] {
            let (run, log) = hostile.run(&[("hostDestination", dir.to_str().unwrap())], crash);
            assert!(log.contains("list its directory in host_destinations"), "{}", run.story());
        }
        let linked = world.dumps_dir().join("link/dumps");
        let (run, log) = hostile.run(&[("hostDestination", linked.to_str().unwrap())], crash);
        assert!(log.contains("link is a symbolic link"), "{}", run.story());
        assert_eq!(files_in(&elsewhere), [] as [PathBuf; 0], "{}", world.log());
        assert!(!world.path("dumpsters").exists());
    }
}

#[test]
fn the_fragment_is_what_a_bundle_needs() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let fragment: Value =
        serde_json::from_slice(&fs::read(Path::new(ROOT).join("hooks/config.json.fragment")).unwrap())
            .unwrap();
    bundle.edit(|config| {
        config["hooks"] = fragment["hooks"].clone();
        config["rdkPlugins"] = fragment["rdkPlugins"].clone();
    });
    // What `add` writes is the same but for the paths.
    bundle.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["image"] = world.image("app").to_str().into()
    });
    let dir = bundle.dir.to_str().unwrap();
    let words = ["add", dir, "--container-source", "/opt/minidumps", "--host-destination", "/opt/minidumps"];
    world.hook(&words).expect(0);
    let mut added = bundle.config()["hooks"].clone();
    for stage in ["prestart", "poststop"] {
        added[stage][0]["path"] = fragment["hooks"][stage][0]["path"].clone();
        let arguments = added[stage][0]["args"].as_array_mut().unwrap();
        let options: Vec<_> = arguments.drain(2..).step_by(2).collect();
        assert_eq!(options, ["--settings", "--added"]);
    }
    assert_eq!(added, fragment["hooks"]);
}
