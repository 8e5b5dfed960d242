//! Likely mistakes, and the line that says what to do about each.

use std::fs;

use serde_json::json;

use crate::support::hook_world::HookWorld;

#[test]
fn every_mistake_has_a_line_that_says_what_to_do() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let empty = world.path("empty");
    fs::create_dir(&empty).unwrap();
    let wrong = world.path("wrong");
    fs::create_dir(&wrong).unwrap();
    fs::write(wrong.join("config.json"), "{\n  \"root\": {\n}").unwrap();
    let settings = world.path("wrong.toml");
    fs::write(&settings, "state_dir = '/run/x'\n\nmax_count = 5\n").unwrap();
    let relative = world.path("relative");
    fs::create_dir_all(relative.join("rootfs")).unwrap();
    let hooks = json!({"prestart": [{"path": "bin/oci-minidump-hook"}]});
    fs::write(
        relative.join("config.json"),
        json!({"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hooks": hooks}).to_string(),
    )
    .unwrap();
    let (dir, empty, wrong) =
        (bundle.dir.to_str().unwrap(), empty.to_str().unwrap(), wrong.to_str().unwrap());
    let add = |more: &[&'static str]| -> Vec<String> {
        let words = ["add", dir, "--container-source", "/opt/minidumps", "--host-destination", "/opt/dumps"];
        words.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let cases = [
        (words(&["check", empty]), 4, "is it a bundle?"),
        (words(&["check", "/nowhere"]), 4, "is it a bundle?"),
        (words(&["check", wrong]), 4, "line 3"),
        (words(&["check", relative.to_str().unwrap()]), 4, "runtimes want an absolute path"),
        (
            words(&["--settings", settings.to_str().unwrap(), "sweep"]),
            4,
            "wrong.toml: wrong near line 3: unknown field `max_count`",
        ),
        (words(&["chek", dir]), 2, "did you mean 'check'?"),
        (words(&["frobnicate", dir]), 2, "there is no command 'frobnicate'; see"),
        (add(&["--imgsize", "8.5M"]), 2, "write a whole number of bytes, or of K, M or G"),
        (add(&["--imgsize", "8"]), 4, "below the minimum of 131072 bytes"),
        (add(&["--imgsize", "20000000000000G"]), 2, "K, M or G"),
        (words(&["info", "/nowhere.dmp"]), 1, "No such file"),
        (words(&["harvest", "/nowhere.img", "--to", "/opt/dumps"]), 3, "there is no image"),
    ];
    for (words, code, expected) in cases {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let run = world.hook(&words);
        assert_eq!(run.output.status.code(), Some(code), "{}", run.story());
        let (out, err) = (run.output.stdout.clone(), run.stderr());
        let said = format!("{}{err}", String::from_utf8_lossy(&out));
        assert!(
            said.lines().filter(|line| line.contains(expected)).count() == 1,
            "{expected}: {}",
            run.story()
        );
    }
}

#[test]
fn a_size_may_have_a_unit_wherever_it_is_written() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "3000000"]);
    bundle.edit(|config| config["rdkPlugins"]["minidump"]["data"]["paths"][0]["imgsize"] = json!("16M"));
    world
        .settings("[retention]\nmax_bytes = '1G'\nkeep_free = '1 KiB'\n[annotations]\nmax_imgsize = '32M'\n");
    let run = world.run(&bundle, "c").expect(0);
    assert_eq!(fs::metadata(world.dump()).unwrap().len(), 3_000_000, "{}", run.story());
    bundle.edit(|config| {
        config.as_object_mut().unwrap().remove("rdkPlugins");
        config["annotations"] =
            json!({"org.rdk.minidump": "/opt/minidumps", "org.rdk.minidump.imgsize": "33M"});
    });
    let run = world.hook(&["check", bundle.dir.to_str().unwrap()]).expect(4);
    assert!(run.story().contains("raise max_imgsize"), "{}", run.story());
}
