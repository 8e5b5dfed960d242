//! The hook in bad company: a poor environment, a poisoned one, closed descriptors, small limits.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use serde_json::json;

use crate::held::Held;
use crate::images::dump_bytes;
use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::{command, hook_program};
use crate::support::run::Run;

/// Runs a stage of the hook behind the shell commands `before`.
fn stage(world: &HookWorld, bundle: &Bundle, before: &str, stage: &str, pid: u32) -> Run {
    let state = json!({"id": "c", "status": "created", "bundle": bundle.dir, "pid": pid}).to_string();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", before, "sh"]).arg(hook_program());
    command.arg("--settings").arg(world.path("settings.toml")).arg(stage);
    world.feed(command, &state)
}

/// A whole life with both stages behind `before`.
fn live(before: &str, imgsize: u64) -> HookWorld {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    bundle.edit(|config| config["rdkPlugins"]["minidump"]["data"]["paths"][0]["imgsize"] = imgsize.into());
    let held = Held::new();
    let run = stage(&world, &bundle, before, "prestart", held.pid());
    assert_eq!((run.code(), held.has_directory(&bundle)), (Some(0), true), "{before}: {}", run.story());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(world.image("app")), 0o600, "{before}");
    for record in crate::support::host::files_in(&world.path("records")) {
        assert_eq!(mode(record) & 0o022, 0, "{before}");
    }
    // Whoever the app becomes, it can get there and write.
    assert_eq!(mode(bundle.rootfs().join("opt")), 0o755, "{before}");
    assert_eq!(mode(held.directory(&bundle)), 0o1777, "{before}");
    fs::write(held.directory(&bundle).join("a.dmp"), dump_bytes(5000)).unwrap();
    drop(held);
    let run = stage(&world, &bundle, before, "poststop", 0);
    assert_eq!(run.code(), Some(0), "{before}: {}", run.story());
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{before}: {}", run.story());
    assert_eq!((mode(world.dump()), fs::metadata(world.dump()).unwrap().uid()), (0o600, 0), "{before}");
    world
}

#[test]
fn poor_surroundings_change_nothing() {
    let surroundings = [
        "exec env -i \"$@\"",
        "dir=$(mktemp -d) && cd \"$dir\" && rmdir \"$dir\" && exec \"$@\"",
        "exec \"$@\" >&- 2>&-",
        "umask 0; exec \"$@\"",
        "umask 777; exec \"$@\"",
        // Another test may have left it some that are open.
        "ulimit -n 24; exec \"$@\"",
        "ulimit -S -n 4; exec \"$@\"",
        "exec \"$@\" 7<&0 8</etc/passwd 9</",
        "trap '' TERM HUP PIPE CHLD; exec \"$@\"",
    ];
    for before in surroundings {
        for imgsize in [8 << 20, 1 << 20] {
            live(before, imgsize);
        }
    }
}

#[test]
fn a_poisoned_environment_has_no_effect() {
    let poison = HookWorld::new("crun");
    let marker = poison.path("marker");
    for program in ["mke2fs", "e2fsck", "mount", "sh"] {
        let path = poison.path(program);
        fs::write(&path, format!("#!/bin/sh\n: >'{}'\n", marker.display())).unwrap();
        command("chmod", &["755".as_ref(), path.as_ref()]);
    }
    let dir = poison.dir.display();
    let before = format!(
        "cd '{dir}'; export PATH='{dir}' TMPDIR='{dir}/marker' HOME='{dir}' MKE2FS_CONFIG='{dir}/marker' \
         MKE2FS_SYNC=1 E2FSCK_CONFIG='{dir}/marker' LD_LIBRARY_PATH='{dir}'; exec \"$@\""
    );
    live(&before, 1 << 20);
    assert!(!marker.exists());
}

#[test]
fn limits_that_are_too_small_give_an_error_and_leave_nothing() {
    let limits = [
        "ulimit -f 1; exec \"$@\"",
        // Root may raise a hard limit, unless it lacks this capability.
        "ulimit -n 4; exec setpriv --bounding-set=-sys_resource \"$@\"",
        "exec \"$@\" <&-",
    ];
    for before in limits {
        let world = HookWorld::new("crun");
        let bundle = world.bundle("app", &["none"]);
        let held = Held::new();
        let run = stage(&world, &bundle, before, "prestart", held.pid());
        assert!(run.code().is_some_and(|code| (1..=9).contains(&code) || code == 127), "{}", run.story());
        assert_eq!(run.stderr().lines().count(), 1, "{}", run.story());
        assert!(!held.has_directory(&bundle) && !world.image("app").exists(), "{}", run.story());
    }
}

#[test]
fn a_host_without_loop_devices_is_told_what_to_do() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let held = Held::new();
    let before = "exec unshare --mount sh -c 'mount -t tmpfs none /dev && exec \"$@\"' sh \"$@\"";
    let run = stage(&world, &bundle, before, "prestart", held.pid()).expect(9);
    assert!(run.stderr().contains("load the kernel module loop (modprobe loop)"), "{}", run.story());
    assert!(!world.image("app").exists());
}
