//! poststop may come never, once, twice, in parallel, late, or alone. Two containers may name one image.

use std::fs;

use serde_json::json;

use crate::images::dump_bytes;
use crate::support::hook_world::HookWorld;
use crate::support::test_runtimes::runtimes;

#[test]
fn poststop_again_alone_or_in_parallel_changes_nothing() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        let state = world.stopped_state(&bundle, "c");
        // Without a prestart.
        world.hook_with_input(&["poststop"], &state).expect(0);
        world.run(&bundle, "c").expect(0);
        for _ in 0..2 {
            world.hook_with_input(&["poststop"], &state).expect(0);
        }
        // By the state's status alone.
        world.hook_with_input(&[], &state).expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000));
    }
}

#[test]
fn many_harvests_at_once_give_every_dump_once() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "write", "b.dmp", "600000", "none"]);
    // The hook that would harvest is held back, as if the runtime had been killed.
    bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
    world.run(&bundle, "c").expect(0);
    assert!(world.image("app").exists());
    let state = world.stopped_state(&bundle, "c");
    let (dir, hook) = (&world.dir, crate::support::host::hook_program());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut child = std::process::Command::new(&hook)
                    .args(["--settings", dir.join("settings.toml").to_str().unwrap(), "poststop"])
                    .stdin(std::process::Stdio::piped())
                    .spawn()
                    .unwrap();
                std::io::Write::write_all(&mut child.stdin.take().unwrap(), state.as_bytes()).unwrap();
                assert!(child.wait().unwrap().success());
            });
        }
    });
    let names: Vec<_> = world.dumps().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["a.dmp", "b.dmp"], "{}", world.log());
}

#[test]
fn a_missed_poststop_is_made_up_for_by_the_next_start() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        let hooks = bundle.config()["hooks"].clone();
        bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
        world.run(&bundle, "c").expect(0);
        assert!(world.dumps().is_empty() && world.image("app").exists());
        bundle.edit(|config| {
            config["hooks"] = hooks;
            config["process"]["args"] =
                json!(["/crasher", "/opt/minidumps", "write", "b.dmp", "7000", "none"]);
        });
        world.run(&bundle, "c").expect(0);
        for (name, size) in [("a.dmp", 5000), ("b.dmp", 7000)] {
            assert!(
                fs::read(world.dumps_dir().join(name)).unwrap() == dump_bytes(size),
                "{name}: {}",
                world.log()
            );
        }
    }
}

#[test]
fn a_bundle_that_is_moved_or_edited_meanwhile_loses_nothing() {
    // crun does not run poststop hooks when the bundle is gone; who deletes then calls the hook by hand.
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        world.create(&bundle, "c").expect(0);
        world.control(&["start"], "c", &[]).expect(0);
        crate::cycle::wait_until_stopped(&world, "c");
        fs::rename(&bundle.dir, world.path("moved")).unwrap();
        // Without the bundle crun sometimes dies of SIGPIPE while it runs the hook, and must be asked again.
        let _died = world.control(&["delete"], "c", &[]);
        let _deleted = world.control(&["delete", "--force"], "c", &[]);
        let run = world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "c")).expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", run.story());
    }
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    world.create(&bundle, "c").expect(0);
    bundle.edit(|config| config["rdkPlugins"] = json!({}));
    world.control(&["start"], "c", &[]).expect(0);
    crate::cycle::wait_until_stopped(&world, "c");
    world.control(&["delete"], "c", &[]).expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", world.log());
}

#[test]
fn a_failed_prestart_and_its_poststop_leave_nothing() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["none"]);
        // Ours succeeds, the one behind it fails: the container never runs.
        bundle.edit(|config| {
            let hooks = config["hooks"]["prestart"].as_array_mut().unwrap();
            hooks.push(json!({"path": "/bin/false"}));
        });
        let run = world.run(&bundle, "c");
        assert!(!run.output.status.success(), "{}", run.story());
        // crun runs no poststop hook then. What the next start, or this, finds is an empty image.
        world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "c")).expect(0);
        assert!(!world.image("app").exists() && world.dumps().is_empty());
    }
}

#[test]
fn the_second_container_with_one_image_is_refused_and_the_first_unharmed() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        world.create(&bundle, "first").expect(0);
        world.create(&bundle, "second").fails_with("is in use: it is attached to /dev/loop");
        // The second's poststop (runc runs it) must not take the first one's image away.
        assert!(world.image("app").exists());
        world.control(&["start"], "first", &[]).expect(0);
        crate::cycle::wait_until_stopped(&world, "first");
        world.control(&["delete"], "first", &[]).expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", world.log());
    }
}

#[test]
fn many_containers_start_at_once_each_with_its_image() {
    let worlds: Vec<HookWorld> = (0..12).map(|_| HookWorld::new("crun")).collect();
    std::thread::scope(|scope| {
        for world in worlds {
            scope.spawn(move || {
                let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
                let run = world.run(&bundle, "c").expect(0);
                assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", run.story());
            });
        }
    });
}
