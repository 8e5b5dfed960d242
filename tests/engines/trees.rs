//! What `enable` writes into a tree, and that `--undo` leaves it as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::hook_world::HookWorld;
use crate::support::host::{command, hook_program};
use crate::support::run::Run;

const ENGINES: [&str; 6] = ["podman", "crio", "containerd", "docker", "lxc", "crun"];
const HOOK: &str = "/usr/libexec/oci/hooks.d/oci-minidump-hook";
const BASE: &str = "etc/containerd/oci-minidump-base.json";

/// A tree with the hook in it.
struct Tree<'w> {
    world: &'w HookWorld,
    root: PathBuf,
}

impl<'w> Tree<'w> {
    fn new(world: &'w HookWorld) -> Self {
        let tree = Self { world, root: world.path("tree") };
        let hook = tree.path(HOOK.trim_start_matches('/'));
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        command("cp", &[hook_program().as_ref(), hook.as_ref()]);
        // What `ctr oci spec` says where there is containerd.
        tree.write(BASE, "{\n  \"ociVersion\": \"1.0.2\"\n}\n");
        tree
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn enable(&self, engine: &str, more: &[&str]) -> Run {
        let mut hook = std::process::Command::new(hook_program());
        hook.args(["enable", engine, "--root"]).arg(&self.root).args(more);
        self.world.feed(hook, "")
    }

    /// Every file and link of the tree but the hook, with what is in it.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut dirs = vec![self.root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                let path = entry.path().strip_prefix(&self.root).unwrap().to_owned();
                if kind.is_dir() {
                    dirs.push(entry.path());
                } else if kind.is_symlink() {
                    let target = fs::read_link(entry.path()).unwrap();
                    files.insert(path, target.into_os_string().into_encoded_bytes());
                } else if Path::new(HOOK) != Path::new("/").join(&path) {
                    files.insert(path, fs::read(entry.path()).unwrap());
                }
            }
        }
        files
    }
}

/// What administrators have, for every engine.
fn written_by_the_administrator(tree: &Tree<'_>) {
    tree.write(
        "etc/docker/daemon.json",
        "{\n\t\"log-level\": \"warn\",\n\t\"runtimes\": {\"kata\": {\"path\":\"/k\"}}\n}",
    );
    let toml = "# mine\nversion = 2\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc] # here\n    \
                pod_annotations = [\"mine.*\"]\n    runtime_type = 'io.containerd.runc.v2'";
    tree.write("etc/containerd/config.toml", toml);
    tree.write("etc/containers/containers.conf", "[engine]\nhooks_dir = [\"/opt/hooks\", \"/etc/hooks\"]\n");
    tree.write("etc/crio/crio.conf.d/10.conf", "[crio.runtime]\nhooks_dir = [\"/srv/hooks\"]\n");
    tree.write("usr/share/lxc/config/common.conf.d/10-mine.conf", "lxc.tty.max = 1\n");
}

#[test]
fn enabling_twice_is_as_once_and_undo_leaves_the_tree_as_it_was() {
    for with_administrator in [false, true] {
        let world = HookWorld::new("crun");
        let tree = Tree::new(&world);
        if with_administrator {
            written_by_the_administrator(&tree);
        }
        for engine in ENGINES {
            let mut before = tree.files();
            if engine == "containerd" {
                // It is ours by its name, and was put there for want of containerd.
                before.remove(Path::new(BASE));
            }
            let dry = tree.enable(engine, &["--dry-run"]).expect(0);
            assert!(dry.stdout().contains(&format!("{engine}: would ")), "{}", dry.story());
            let undone = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().ne(before.keys());
            let run = tree.enable(engine, &[]).expect(0);
            let after = tree.files();
            assert!(undone(&after), "{}", run.story());
            let written = after.iter().filter(|(path, content)| before.get(*path) != Some(*content));
            for (path, _) in written {
                let path = tree.path(path);
                assert!(run.stdout().contains(path.to_str().unwrap()), "{}: {}", path.display(), run.story());
            }
            let again = tree.enable(engine, &[]).expect(0);
            assert!(again.stdout().contains("nothing to change"), "{}", again.story());
            assert_eq!(tree.files(), after);
            tree.enable(engine, &["--undo"]).expect(0);
            assert_eq!(tree.files(), before, "{engine}");
            let again = tree.enable(engine, &["--undo"]).expect(0);
            assert!(again.stdout().contains("nothing to change"), "{}", again.story());
        }
    }
}

#[test]
fn each_engine_gets_what_it_reads() {
    let world = HookWorld::new("crun");
    let tree = Tree::new(&world);
    written_by_the_administrator(&tree);
    for engine in ENGINES {
        tree.enable(engine, &[]).expect(0);
    }
    // A directory that the engine reads, not the usual one that it does not.
    for dir in ["opt/hooks", "srv/hooks"] {
        for stage in ["prestart", "poststop"] {
            let json: Value =
                serde_json::from_str(&tree.read(&format!("{dir}/oci-minidump-{stage}.json"))).unwrap();
            assert_eq!(json["hook"]["path"], HOOK);
            assert_eq!(json["stages"], json!([stage]));
        }
    }
    assert!(!tree.path("usr/share/containers").exists());
    let docker: Value = serde_json::from_str(&tree.read("etc/docker/daemon.json")).unwrap();
    let stand_in = "/usr/libexec/oci/hooks.d/oci-minidump-runtime";
    assert_eq!(docker["runtimes"], json!({"minidump": {"path": stand_in}, "kata": {"path": "/k"}}));
    assert_eq!(fs::read_link(tree.path(&stand_in[1..])).unwrap(), Path::new("oci-minidump-hook"));
    let toml: toml::Table = tree.read("etc/containerd/config.toml").parse().unwrap();
    let runc = &toml["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]["runc"];
    assert_eq!(runc["base_runtime_spec"].as_str(), Some("/etc/containerd/oci-minidump-base.json"));
    let list = |key: &str| runc[key].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned());
    assert_eq!(list("pod_annotations").collect::<Vec<_>>(), ["org.rdk.minidump*", "mine.*"]);
    assert_eq!(list("container_annotations").collect::<Vec<_>>(), ["org.rdk.minidump*"]);
    let base: Value = serde_json::from_str(&tree.read(BASE)).unwrap();
    assert_eq!(base["hooks"]["prestart"][0]["path"], HOOK);
    let lxc = tree.read("usr/share/lxc/config/common.conf.d/50-oci-minidump.conf");
    assert!(lxc.contains(&format!("lxc.hook.post-stop = {HOOK} lxc\n")), "{lxc}");
}

#[test]
fn settings_that_are_named_are_those_of_the_registered_hook() {
    let world = HookWorld::new("crun");
    let tree = Tree::new(&world);
    let named = ["--settings", "/etc/other.toml"];
    for (engine, file, text) in [
        (
            "podman",
            "usr/share/containers/oci/hooks.d/oci-minidump-prestart.json",
            "\"--settings\", \"/etc/other.toml\"",
        ),
        (
            "docker",
            "etc/docker/daemon.json",
            "\"runtimeArgs\": [\"--minidump-settings\", \"/etc/other.toml\"]",
        ),
        ("containerd", BASE, "\"/etc/other.toml\""),
        (
            "lxc",
            "usr/share/lxc/config/common.conf.d/50-oci-minidump.conf",
            "-hook --settings /etc/other.toml lxc",
        ),
    ] {
        tree.enable(engine, &named).expect(0);
        assert!(tree.read(file).contains(text), "{engine}: {}", tree.read(file));
        tree.enable(engine, &[&named[..], &["--undo"]].concat()).expect(0);
    }
}

#[test]
fn what_the_administrator_wrote_is_never_replaced() {
    let runtime = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n";
    let base = format!("{runtime}base_runtime_spec = \"/etc/mine.json\"\n");
    let hooks = "usr/share/containers/oci/hooks.d/oci-minidump-prestart.json";
    let lxc = "usr/share/lxc/config/common.conf.d/50-oci-minidump.conf";
    let cases = [
        (
            "docker",
            "etc/docker/daemon.json",
            "{\"runtimes\": {\"minidump\": {\"path\": \"/mine\"}}}",
            "another runtime minidump",
        ),
        ("docker", "etc/docker/daemon.json", "{\"runtimes\": [],}", "is not valid JSON"),
        ("docker", "etc/docker/daemon.json", "{\"runtimes\": []}", "by hand"),
        ("docker", "usr/libexec/oci/hooks.d/oci-minidump-runtime", "a program", "is something else"),
        (
            "containerd",
            "etc/containerd/config.toml",
            &base,
            "another base_runtime_spec already, /etc/mine.json",
        ),
        ("containerd", "etc/containerd/config.toml", "[plugins.cri]\n", "version 1"),
        ("containerd", "etc/containerd/config.toml", "version = 2\nx\n", "is not valid TOML"),
        ("podman", hooks, "{\"version\": \"1.0.0\", \"hook\": {\"path\": \"/mine\"}}", "was edited"),
        ("podman", "etc/containers/containers.conf", "[engine", "is wrong"),
        ("lxc", lxc, "lxc.tty.max = 1\n", "was not written by this program"),
    ];
    for (engine, file, text, said) in cases {
        let world = HookWorld::new("crun");
        let tree = Tree::new(&world);
        tree.write(file, text);
        let before = tree.files();
        let run = tree.enable(engine, &[]).expect(4);
        assert!(run.stderr().contains(said), "{file}: {}", run.story());
        assert_eq!(tree.files(), before, "{engine} {text}");
    }
}

#[test]
fn a_link_never_leads_out_of_the_tree() {
    let world = HookWorld::new("crun");
    let tree = Tree::new(&world);
    let outside = world.path("outside.json");
    fs::write(&outside, "{}").unwrap();
    fs::create_dir_all(tree.path("etc/docker")).unwrap();
    std::os::unix::fs::symlink(&outside, tree.path("etc/docker/daemon.json")).unwrap();
    let run = tree.enable("docker", &[]).expect(4);
    assert!(run.stderr().contains("is a symbolic link"), "{}", run.story());
    assert_eq!(fs::read_to_string(outside).unwrap(), "{}");
}

#[test]
fn an_engine_that_is_not_known_and_a_tree_without_the_hook_are_refused() {
    let world = HookWorld::new("crun");
    let run = world.hook(&["enable", "rkt"]).expect(2);
    assert!(
        run.stderr().contains("the engine 'rkt' is not known, only podman, crio, containerd"),
        "{}",
        run.story()
    );
    fs::create_dir(world.path("empty")).unwrap();
    let run = world.hook(&["enable", "podman", "--root", world.path("empty").to_str().unwrap()]).expect(4);
    assert!(run.stderr().contains("oci-minidump-hook is missing in"), "{}", run.story());
}
