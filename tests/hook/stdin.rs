//! What a runtime may hand to the hook, and what it gets for something else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::hook_world::{Bundle, HookWorld};

#[test]
fn malformed_states_are_refused_with_code_3_and_nothing_made() {
    let world = HookWorld::new("crun");
    let huge = format!("{{\"id\": \"{}\"}}", "x".repeat(10 << 20));
    let cases = [
        ("", "is empty"),
        ("not json", "is not valid JSON"),
        ("{\"id\": \"c\", \"pid\": 1}", "has no status"),
        ("{\"status\": \"created\", \"pid\": 1}", "the container id \"\" is empty"),
        ("{\"id\": \"../../etc\", \"status\": \"created\"}", "contains '/'"),
        ("{\"id\": \"a\\nb\", \"status\": \"created\"}", "contains"),
        (huge.as_str(), "is longer than"),
    ];
    for stage in [&["prestart"][..], &["poststop"], &[]] {
        for (input, reason) in cases {
            let run = world.hook_with_input(stage, input).expect(3);
            assert!(run.stderr().contains(reason), "{}", run.story());
            assert_eq!(run.stderr().lines().count(), 1, "{}", run.story());
        }
    }
}

#[test]
fn a_prestart_without_a_process_is_refused_and_a_poststop_is_not() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    for pid in [json!(null), json!(0), json!(-1)] {
        let state =
            json!({"ociVersion": "1.0", "id": "c", "status": "created", "bundle": bundle.dir, "pid": pid})
                .to_string();
        let run = world.hook_with_input(&["prestart"], &state).expect(3);
        assert!(run.stderr().contains("names no process"), "{}", run.story());
        world.hook_with_input(&["poststop"], &state).expect(0);
    }
    // A process that has ended: its number may belong to anybody.
    let state = json!({"id": "c", "status": "created", "bundle": bundle.dir, "pid": i32::MAX}).to_string();
    world.hook_with_input(&["prestart"], &state).fails_with("cannot find the container's process 2147483647");
}

#[test]
fn a_state_without_a_bundle_means_the_working_directory() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    fs::copy(bundle.dir.join("config.json"), world.path("config.json")).unwrap();
    let run = world.hook_with_input(&["prestart"], "{\"id\": \"c\", \"status\": \"creating\"}").expect(3);
    assert!(run.stderr().contains("names no process"), "{}", run.story());
}

#[test]
fn a_broken_configuration_is_named() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let config = bundle.dir.join("config.json");
    let state =
        json!({"id": "c", "status": "created", "bundle": bundle.dir, "pid": std::process::id()}).to_string();
    let deep = "[".repeat(1_000_000);
    let large = format!("{{\"x\": \"{}\"}}", "y".repeat(9 << 20));
    for (text, reason) in [
        ("", "is not valid JSON"),
        ("[]", "is not a JSON object"),
        (&deep, "is not valid JSON"),
        (&large, "is larger than"),
    ] {
        fs::write(&config, text).unwrap();
        let run = world.hook_with_input(&["prestart"], &state).expect(4);
        assert!(run.stderr().contains(reason) && run.stderr().contains("config.json"), "{}", run.story());
        world.hook_with_input(&["poststop"], &state).expect(0);
    }
    fs::remove_file(&config).unwrap();
    let run = world.hook_with_input(&["prestart"], &state).expect(4);
    assert!(run.stderr().contains("cannot open"), "{}", run.story());
}

#[test]
fn a_file_named_on_the_command_line_goes_before_everything_else() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "500", "none"]);
    let file = world.path("plans.json");
    fs::write(&file, json!({"paths": [world.entry("from-file")]}).to_string()).unwrap();
    bundle.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"] = json!("ignored");
        config["annotations"]["org.rdk.minidump"] = "/ignored".into();
        for stage in ["prestart", "poststop"] {
            let command = config["hooks"][stage][0]["args"][2]
                .as_str()
                .unwrap()
                .replace("\"$0\"", &format!("\"$0\" --config {}", file.display()));
            config["hooks"][stage][0]["args"][2] = command.into();
        }
    });
    let run = world.run(&bundle, "c").expect(0);
    assert_eq!(world.dumps().len(), 1, "{}", run.story());
}

/// A bundle that has annotations and nothing else.
fn annotated(world: &HookWorld, name: &str, annotations: &Value) -> Bundle {
    let bundle = world.bundle(name, &["write", "a.dmp", "500", "none"]);
    bundle.edit(|config| {
        config["rdkPlugins"] = json!(null);
        config["annotations"] = annotations.clone();
    });
    bundle
}

#[test]
fn a_pods_own_container_gets_nothing() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    for (name, value, code) in [
        ("io.kubernetes.cri.container-type", "sandbox", 0),
        ("io.kubernetes.cri-o.ContainerType", "sandbox", 0),
        ("io.kubernetes.cri.container-type", "container", 4),
    ] {
        let state = json!({"ociVersion": "1.0.2", "id": world.id("c"), "status": "created", "pid": 1,
            "bundle": bundle.dir, "annotations": {name: value, "org.rdk.minidump": "relative",
            "org.rdk.minidump.required": "true"}});
        world.hook_with_input(&["prestart"], &state.to_string()).expect(code);
    }
}

#[test]
fn annotations_work_without_a_section() {
    let world = HookWorld::new("crun");
    let annotations = json!({"org.rdk.minidump": "/opt/minidumps", "org.rdk.minidump.imgsize": "262144"});
    let run = world.run(&annotated(&world, "app", &annotations), "c").expect(0);
    assert_eq!(world.dumps().len(), 1, "{}", run.story());
}

#[test]
fn annotations_that_ask_for_too_much_stop_a_container_only_if_they_say_so() {
    let world = HookWorld::new("crun");
    let mut annotations =
        json!({"org.rdk.minidump": "/opt/minidumps", "org.rdk.minidump.image": "/etc/nologin"});
    let run = world.run(&annotated(&world, "optional", &annotations), "optional");
    // Its program looked for the directory, in vain.
    let started = run.stderr().contains("crasher: No such file");
    assert!(started && run.log.contains("it starts without minidumps"), "{}", run.story());
    annotations["org.rdk.minidump.required"] = "true".into();
    let run = world.run(&annotated(&world, "required", &annotations), "required");
    run.fails_with("lies in none of the directories that annotations may use");
}

#[test]
fn with_settings_that_cannot_be_read_annotations_name_no_path() {
    let world = HookWorld::new("crun");
    world.settings("[annotations]\nimage_dirs = [\"relative\"]\n");
    let image = "/var/lib/oci-minidump/images/of-a-test.img";
    let annotations = json!({"org.rdk.minidump": "/opt/minidumps", "org.rdk.minidump.image": image});
    let run = world.run(&annotated(&world, "app", &annotations), "c");
    let said = ["image_dirs \"relative\" is not an absolute path", "is refused: annotations may not set it"];
    assert!(said.iter().all(|text| run.log.contains(text)), "{}", run.story());
    assert!(!Path::new(image).exists());
}
