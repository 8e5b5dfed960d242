//! Bundles made by `add`: what it refuses, and what becomes of them in the hands of engines.

use std::fs;

use serde_json::json;

use crate::support::hook_world::HookWorld;
use crate::support::test_runtimes::runtimes;

#[test]
fn add_refuses_a_bundle_without_a_root_file_system_and_dumps_in_it() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let before = fs::read(bundle.dir.join("config.json")).unwrap();
    std::os::unix::fs::symlink(bundle.rootfs(), world.path("link")).unwrap();
    let (inside, linked) = (bundle.rootfs().join("dumps"), world.path("link/dumps"));
    let add = |more: &[&str]| {
        let words = ["add", bundle.dir.to_str().unwrap(), "--container-source", "/opt/minidumps"];
        let run = world.hook(&[&words, more].concat()).expect(4);
        assert_eq!(fs::read(bundle.dir.join("config.json")).unwrap(), before, "{}", run.story());
        run.stderr()
    };
    for path in [inside.to_str().unwrap(), linked.to_str().unwrap()] {
        let said = add(&["--host-destination", path]);
        assert!(said.contains("lies in the container's root file system; name a directory"), "{said}");
        let said = add(&["--host-destination", "/d", "--image", path]);
        assert!(said.contains("the image") && said.contains("root file system"), "{said}");
    }
    fs::rename(bundle.rootfs(), world.path("app/elsewhere")).unwrap();
    let said = add(&["--host-destination", "/d"]);
    assert!(said.contains("has no root file system") && said.contains("make it first"), "{said}");
}

#[test]
fn a_bundle_made_by_add_keeps_its_dumps_when_the_engine_drops_its_section() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["segv"]);
        let (dumps, settings) = (world.dumps_dir(), world.path("settings.toml"));
        let words = ["--container-source", "/opt/minidumps", "--host-destination", dumps.to_str().unwrap()];
        world.hook(&[&["add", bundle.dir.to_str().unwrap()][..], &words].concat()).expect(0);
        bundle.edit(|config| {
            // What containerd knows nothing of is gone, and the hooks are kept.
            config.as_object_mut().unwrap().remove("rdkPlugins");
            for stage in ["prestart", "poststop"] {
                config["hooks"][stage].as_array_mut().unwrap().retain(|hook| hook["path"] != "/bin/sh");
                let arguments = config["hooks"][stage][0]["args"].as_array().unwrap();
                assert_eq!(arguments[2..4], [json!("--settings"), json!(settings)]);
            }
        });
        let run = world.run(&bundle, "c");
        assert!(!run.output.status.success() && world.dumps().len() == 1, "{runtime}: {}", run.story());
        let check = world.hook(&["check", bundle.dir.to_str().unwrap()]).expect(0);
        assert!(check.stdout().contains(dumps.to_str().unwrap()), "{}", check.story());
    }
}

#[test]
fn a_hook_that_add_registered_and_that_finds_nothing_says_so_and_fails_what_requires_it() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    bundle.edit(|config| config["rdkPlugins"] = json!(null));
    let state = json!({"ociVersion": "1.0.2", "id": world.id("c"), "status": "created", "pid": 1,
        "bundle": bundle.dir})
    .to_string();
    let nothing = "no minidump directory is configured any more";
    let cases = [
        (r#"{"required": true}"#, 4, nothing),
        (r#"{"required": false, "data": {"paths": []}}"#, 0, nothing),
        ("{", 4, "--added is not valid JSON"),
        (
            r#"{"required": true, "data": {"paths": [{}]}}"#,
            4,
            "containerSource is missing (--added.data.paths[0]",
        ),
    ];
    for (added, code, said) in cases {
        let run = world.hook_with_input(&["prestart", "--added", added], &state).expect(code);
        assert!(run.stderr().contains(said), "{added}: {}", run.story());
        world.hook_with_input(&["poststop", "--added", added], &world.stopped_state(&bundle, "c")).expect(0);
    }
    // A section that names nothing is what somebody wants.
    bundle.edit(|config| config["rdkPlugins"] = json!({"minidump": {"required": true}}));
    let run = world.hook_with_input(&["prestart", "--added", r#"{"required": true}"#], &state).expect(0);
    assert!(run.stderr().is_empty(), "{}", run.story());
}
