//! podman, which writes its own config.json: the hook comes by hooks.d, its configuration by annotation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::chosen::runtimes;
use crate::programs::crasher;
use crate::world::{World, command, files_in, hook_program};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A podman with storage and an installed hook of its own.
struct Podman<'w> {
    world: &'w World,
    runtime: &'static str,
}

impl Podman<'_> {
    fn command(&self, arguments: &[&str]) -> Output {
        let mut podman = Command::new("podman");
        for (option, part) in [("--root", "storage"), ("--runroot", "podman-run"), ("--tmpdir", "podman-tmp")]
        {
            podman.arg(option).arg(self.world.path(part));
        }
        podman
            .args(["--cgroup-manager", "cgroupfs", "--runtime", self.runtime, "--hooks-dir"])
            .arg(hooks_dir(self.world));
        podman.args(arguments).output().unwrap()
    }

    fn run(&self, options: &[&str], actions: &[&str]) -> Output {
        let image = format!("org.rdk.minidump.image={}", self.world.image("podman").display());
        let to = format!("org.rdk.minidump.hostDestination={}", self.world.dumps_dir().display());
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
            "--annotation",
            "org.rdk.minidump=/opt/minidumps",
            "--annotation",
            &image,
            "--annotation",
            &to,
        ];
        self.command(&[&fixed, options, &["crash:1", "/crasher", "/opt/minidumps"], actions].concat())
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        self.command(&["rmi", "--all", "--force"]);
    }
}

fn hooks_dir(world: &World) -> PathBuf {
    world.path("prefix/share/containers/oci/hooks.d")
}

fn install(world: &World, more: &[&str]) -> Output {
    let mut install = Command::new(Path::new(ROOT).join("scripts/install"));
    install.env("OCI_MINIDUMP_HOOK", hook_program()).arg("--prefix").arg(world.path("prefix")).args(more);
    install.output().unwrap()
}

#[test]
fn podman_harvests_with_crun_and_runc() {
    for runtime in runtimes() {
        let world = World::new(runtime);
        let installed = install(&world, &[]);
        assert!(installed.status.success(), "{installed:?}");
        let podman = Podman { world: &world, runtime };
        let tree = world.path("tree");
        fs::create_dir(&tree).unwrap();
        fs::copy(crasher(), tree.join("crasher")).unwrap();
        let tarball = world.path("tree.tar");
        command("tar", &["-C".as_ref(), tree.as_ref(), "-cf".as_ref(), tarball.as_ref(), "crasher".as_ref()]);
        let imported = podman.command(&["import", tarball.to_str().unwrap(), "crash:1"]);
        assert!(imported.status.success(), "{imported:?}");
        let ways: [&[&str]; 3] = [&[], &["--read-only"], &["--read-only", "--user", "1000"]];
        for (n, options) in ways.iter().enumerate() {
            let output = podman.run(options, &["segv"]);
            assert_eq!(world.dumps().len(), n + 1, "{runtime} {options:?}: {output:?}");
            assert!(!world.image("podman").exists(), "{runtime} {options:?}");
        }
        for dump in world.dumps() {
            minidump::Minidump::read_path(dump).unwrap();
        }
        let records = files_in(Path::new("/run/oci-minidump"));
        let ours = |path: &PathBuf| {
            fs::read_to_string(path).is_ok_and(|text| text.contains(world.dir.to_str().unwrap()))
        };
        assert!(!records.iter().any(ours), "{records:?}");
    }
}

#[test]
fn installing_and_removing_go_together() {
    let world = World::new("crun");
    let before = files_in(&world.dir);
    assert!(install(&world, &[]).status.success());
    let program = world.path("prefix/libexec/oci/hooks.d/oci-minidump-hook");
    for (file, stage) in
        [("oci-minidump-prestart.json", "prestart"), ("oci-minidump-poststop.json", "poststop")]
    {
        let installed: Value =
            serde_json::from_slice(&fs::read(hooks_dir(&world).join(file)).unwrap()).unwrap();
        assert_eq!(installed["hook"]["path"], program.to_str().unwrap());
        assert_eq!((&installed["hook"]["args"][1], &installed["stages"][0]), (&stage.into(), &stage.into()));
    }
    assert!(install(&world, &["--remove"]).status.success());
    assert!(!program.exists() && files_in(&hooks_dir(&world)).is_empty());
    assert_eq!(before.len() + 1, files_in(&world.dir).len());
}

#[test]
fn the_fragment_is_what_a_bundle_needs() {
    let world = World::new("crun");
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
    }
    assert_eq!(added, fragment["hooks"]);
}
