//! The commands for people.

use std::ffi::OsStr;
use std::fs;

use serde_json::{Value, json};

use crate::images::{dump_bytes, image};
use crate::support::hook_world::{AWKWARD, HookWorld};
use crate::support::host::{away_from_the_host, command, files_in, hook_program};
use crate::support::test_runtimes::runtimes;

const UNKNOWN: &str = "{\n\t\"ociVersion\": \"1.0.2\",\n\t\"root\": {\n\t\t\"path\": \"rootfs\"\n\t},\n\t\"x-vendor\": {\n\t\t\"limit\": 18446744073709551615,\n\t\t\"half\": 0.5\n\t},\n\t\"rdkPlugins\": {\n\t\t\"networking\": {\n\t\t\t\"required\": false\n\t\t}\n\t}\n}\n";

#[test]
fn add_registers_twice_the_same_and_remove_restores_the_file() {
    let world = HookWorld::new("crun");
    let dir = world.path("b");
    fs::create_dir_all(dir.join("rootfs")).unwrap();
    let config = dir.join("config.json");
    fs::write(&config, UNKNOWN).unwrap();
    let words = [
        "add",
        dir.to_str().unwrap(),
        "--container-source",
        "/opt/minidumps",
        "--host-destination",
        "/opt/dumps",
    ];
    let run = world.hook(&words).expect(0);
    assert!(run.stdout().contains("ok      destination /opt/dumps"), "{}", run.story());
    let once = fs::read_to_string(&config).unwrap();
    let value: Value = serde_json::from_str(&once).unwrap();
    let program = crate::support::host::hook_program();
    for stage in ["prestart", "poststop"] {
        assert_eq!(value["hooks"][stage][0]["path"], json!(program));
    }
    let section = &value["rdkPlugins"]["minidump"];
    for stage in ["prestart", "poststop"] {
        let (settings, section) = (world.path("settings.toml"), section.to_string());
        let added = json!(["oci-minidump-hook", stage, "--settings", settings, "--added", section]);
        assert_eq!(value["hooks"][stage][0]["args"], added);
    }
    let entry = &section["data"]["paths"][0];
    assert_eq!(entry["hostDestination"], "/opt/dumps");
    assert!(
        entry["image"].as_str().unwrap().starts_with(world.path("images/b-").to_str().unwrap()),
        "{entry}"
    );
    assert!(once.contains("18446744073709551615") && once.contains("\n\t\"x-vendor\""), "{once}");
    let run = world.hook(&words).expect(0);
    assert!(run.stdout().contains("nothing to change"), "{}", run.story());
    assert_eq!(fs::read_to_string(&config).unwrap(), once);
    // Other values change the entry, not their number.
    let more =
        [&words[..], &["--image", "/data/i.img", "--imgsize", "1048576", "--required", "false"]].concat();
    world.hook(&more).expect(0);
    let value: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    assert_eq!(
        value["rdkPlugins"]["minidump"],
        json!({"required": false, "data": {"paths": [{"image": "/data/i.img",
        "containerSource": "/opt/minidumps", "hostDestination": "/opt/dumps", "imgsize": 1_048_576}]}})
    );
    world.hook(&["remove", dir.to_str().unwrap()]).expect(0);
    assert_eq!(fs::read_to_string(&config).unwrap(), UNKNOWN);
    let run = world.hook(&["remove", dir.to_str().unwrap()]).expect(0);
    assert!(run.stdout().contains("nothing to remove"), "{}", run.story());
    let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn add_refuses_what_the_hook_would_refuse_and_leaves_the_file() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let before = fs::read(bundle.dir.join("config.json")).unwrap();
    let dir = bundle.dir.to_str().unwrap();
    let cases = [
        (["--container-source", "/proc/x", "--host-destination", "/d"], "lies in /proc"),
        (["--container-source", "rel", "--host-destination", "/d"], "is not an absolute path"),
        (["--container-source", "/a", "--host-destination", "d"], "is not an absolute path"),
    ];
    for (words, reason) in cases {
        let run = world.hook(&[&["add", dir][..], &words].concat()).expect(4);
        assert!(run.stderr().contains(reason), "{}", run.story());
        assert_eq!(fs::read(bundle.dir.join("config.json")).unwrap(), before);
    }
}

#[test]
fn a_bundle_made_by_add_works_as_it_is() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["segv"]);
        bundle.edit(|config| {
            config["hooks"] = json!(null);
            config["rdkPlugins"] = json!(null);
        });
        let dumps = world.dumps_dir();
        let words = ["--container-source", "/opt/minidumps", "--host-destination", dumps.to_str().unwrap()];
        world.hook(&[&["add", bundle.dir.to_str().unwrap()][..], &words].concat()).expect(0);
        world.hook(&["check", bundle.dir.to_str().unwrap()]).expect(0);
        let (dir, id) = (bundle.dir.as_os_str(), world.id("c"));
        let run = world.runtime(&["run".as_ref(), "--bundle".as_ref(), dir, id.as_ref()]);
        let run = world.feed(away_from_the_host(&run), "");
        let info = world.hook(&["info", world.dump().to_str().unwrap()]).expect(0);
        assert!(info.stdout().contains("SIGSEGV"), "{}{}", info.story(), run.story());
    }
}

#[test]
fn the_hook_and_its_bundle_may_lie_anywhere() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let place = world.path(AWKWARD);
        let bundle = world.bundle(&format!("{AWKWARD}/app"), &["segv"]);
        let hook = place.join("oci-minidump-hook");
        // Not by this process: a program that another test starts meanwhile would have it open for writing.
        command("cp", &[crate::support::host::hook_program().as_ref(), hook.as_ref()]);
        bundle.edit(|config| {
            config["hooks"] = json!(null);
            config["rdkPlugins"] = json!(null);
        });
        let (dumps, image) = (place.join("dumps"), place.join("app.img"));
        let words: [&OsStr; 8] = [
            "add".as_ref(),
            bundle.dir.as_ref(),
            "--container-source".as_ref(),
            "/opt/mini dumps/\u{e4}".as_ref(),
            "--host-destination".as_ref(),
            dumps.as_ref(),
            "--image".as_ref(),
            image.as_ref(),
        ];
        command(hook.to_str().unwrap(), &words);
        command(hook.to_str().unwrap(), &["check".as_ref(), bundle.dir.as_ref()]);
        bundle.edit(|config| config["process"]["args"][1] = "/opt/mini dumps/\u{e4}".into());
        let (dir, id) = (bundle.dir.as_os_str(), world.id("c"));
        let run = world.runtime(&["run".as_ref(), "--bundle".as_ref(), dir, id.as_ref()]);
        let run = world.feed(away_from_the_host(&run), "");
        assert_eq!(files_in(&dumps).len(), 1, "{runtime}: {}", run.story());
        assert!(!image.exists(), "{runtime}: {}", run.story());
        let sent = command(hook.to_str().unwrap(), &["info".as_ref(), files_in(&dumps)[0].as_ref()]);
        assert!(sent.contains("SIGSEGV"), "{sent}");
    }
}

#[test]
fn check_says_what_would_happen_or_what_is_wrong() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let program = crate::support::host::hook_program();
    let hook = json!([{"path": program}]);
    bundle.edit(|config| config["hooks"] = json!({"prestart": hook, "poststop": hook}));
    let dir = bundle.dir.to_str().unwrap().to_owned();
    let run = world.hook(&["check", &dir]).expect(0);
    assert!(run.stdout().contains("will be made (8388608 bytes)"), "{}", run.story());
    type Mistake<'a> = (&'a str, &'a str, Box<dyn Fn(&mut Value) + 'a>);
    let set = |key: &'static str, value: Value| -> Box<dyn Fn(&mut Value)> {
        Box::new(move |config| config["rdkPlugins"]["minidump"]["data"]["paths"][0][key] = value.clone())
    };
    let inside = bundle.rootfs().join("x");
    let mistakes: [Mistake<'_>; 7] = [
        (
            "no hook",
            "the hook is not registered as poststop",
            Box::new(|config| config["hooks"]["poststop"] = json!([])),
        ),
        (
            "hook gone",
            "is registered and does not exist",
            Box::new(|config| config["hooks"]["prestart"] = json!([{"path": "/nowhere/oci-minidump-hook"}])),
        ),
        ("imgsize", "imgsize 1024 is below the minimum", set("imgsize", json!(1024))),
        ("large", "bytes free in", set("imgsize", json!(1_u64 << 50))),
        ("image", "is a directory", set("image", json!("/usr"))),
        ("destination", "lies in the container's root file system", set("hostDestination", json!(inside))),
        ("nothing", "no minidumps are configured", Box::new(|config| config["rdkPlugins"] = json!({}))),
    ];
    let before = bundle.config();
    for (name, reason, make) in mistakes {
        bundle.edit(|config| make(config));
        let run = world.hook(&["check", &dir]).expect(4);
        assert!(run.stdout().contains(reason) && run.stdout().contains("PROBLEM"), "{name}: {}", run.story());
        let run = world.hook(&["check", &dir, "--json"]).expect(4);
        let findings: Value = serde_json::from_str(&run.stdout()).unwrap();
        assert!(findings.as_array().unwrap().iter().any(|finding| finding["ok"] == false), "{name}");
        bundle.write(&before);
    }
    assert!(!world.image("app").exists());
}

#[test]
fn check_says_what_annotations_may_ask_for() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    bundle.edit(|config| config["annotations"] = json!({"org.rdk.minidump": "/opt/minidumps"}));
    let dir = bundle.dir.to_str().unwrap().to_owned();
    let image = world.path("images/ID.img");
    let run = world.hook(&["check", &dir]);
    let limits = format!(
        "image: at most 67108864 bytes, below: {}; hostDestination: at or below: {}",
        world.path("images").display(),
        world.dumps_dir().display()
    );
    let expected = ["annotations: go before rdkPlugins", &limits, image.to_str().unwrap()];
    assert!(expected.iter().all(|text| run.stdout().contains(text)), "{}", run.story());
    bundle.edit(|config| config["annotations"]["org.rdk.minidump.image"] = "/etc/nologin".into());
    let run = world.hook(&["check", &dir]).expect(4);
    let refusal = "PROBLEM configuration: image \"/etc/nologin\" lies in none of the directories";
    assert!(run.stdout().contains(refusal), "{}", run.story());
    world.settings("[annotations]\nimage_dirs = []\n");
    let run = world.hook(&["check", &dir]).expect(4);
    let refusal = "image \"/etc/nologin\" is refused: annotations may not set it";
    assert!(run.stdout().contains("below: nowhere") && run.stdout().contains(refusal), "{}", run.story());
}

#[test]
fn harvest_by_hand_tells_and_tells_programs() {
    let world = HookWorld::new("crun");
    let made = image(&world, 8 << 20, |dir| fs::write(dir.join("a.dmp"), dump_bytes(777)).unwrap());
    let (image, to) = (made.to_str().unwrap(), world.dumps_dir());
    let run = world.hook(&["harvest", image, "--to", to.to_str().unwrap(), "--json"]).expect(0);
    let harvest: Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(
        (&harvest["dumps"][0]["size"], &harvest["image"]),
        (&json!(777), &json!("removed")),
        "{}",
        run.story()
    );
    let run = world.hook(&["harvest", image, "--to", to.to_str().unwrap()]).expect(3);
    assert!(run.stderr().contains("there is no image"), "{}", run.story());
}

#[test]
fn help_names_every_exit_code_and_command() {
    let world = HookWorld::new("crun");
    let help = world.hook(&["--help"]).expect(0).stdout();
    for code in 0..=9 {
        assert!(help.contains(&format!("  {code} ")), "{code}: {help}");
    }
    for verb in ["add", "remove", "check", "harvest", "sweep", "info"] {
        assert!(help.contains(&format!("oci-minidump-hook {verb}")), "{verb}");
        assert!(world.hook(&[verb, "--help"]).expect(0).stdout().contains(verb));
    }
    assert_eq!(
        world.hook(&["--version"]).expect(0).stdout(),
        format!("oci-minidump-hook {}\n", env!("CARGO_PKG_VERSION"))
    );
    world.hook(&["bogus"]).expect(2);
}

/// What a bundle says drives no terminal.
#[test]
fn what_check_quotes_is_escaped() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    bundle.edit(|config| {
        config["hooks"]["prestart"] = json!([{"path": "/\u{1b}]0;owned\u{7}/oci-minidump-hook"}]);
    });
    let run = world.hook(&["check", bundle.dir.to_str().unwrap()]).expect(4);
    assert!(run.stdout().contains("owned") && !run.stdout().contains('\u{1b}'), "{}", run.story());
}

/// A reader such as `head` has what it wanted when it closes its end.
#[test]
fn a_list_whose_reader_is_gone_is_no_failure() {
    let world = HookWorld::new("crun");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(hook_program());
    command.arg("--settings").arg(world.path("settings.toml")).arg("list").stdout(writer);
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
