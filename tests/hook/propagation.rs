//! Mounts that would leave the container: shared mounts, shared volumes, and containers without a mount namespace.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use crate::held::Held;
use crate::images::dump_bytes;
use crate::support::hook_world::{Bundle, HookWorld, SOURCE};
use crate::support::host::command;
use crate::support::test_runtimes::runtimes;

/// Runs `work` in a mount namespace of its own, in which every mount is shared as on a host with systemd, and everything
/// that it runs there.
fn on_a_shared_host(work: impl FnOnce() + Send) {
    let isolated = || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        command("mount", &["--make-rprivate".as_ref(), "/".as_ref()]);
        command("mount", &["--make-rshared".as_ref(), "/".as_ref()]);
        work();
    };
    std::thread::scope(|scope| scope.spawn(isolated).join()).unwrap();
}

/// What is mounted in the world, as the calling thread sees it.
fn mounted(world: &HookWorld) -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    points.filter(|point| point.starts_with(&world.dir)).collect()
}

/// Runs the container twice, the second time after one that left a truncated dump. Nothing is ever seen on the host.
fn run_twice(world: &HookWorld, bundle: &Bundle) {
    for _ in 0..2 {
        world.create(bundle, "one").expect(0);
        assert!(mounted(world).iter().all(|point| !point.ends_with("minidumps")), "{:?}", mounted(world));
        world.control(&["start"], "one", &[]).expect(0);
        crate::cycle::wait_until_stopped(world, "one");
        let run = world.control(&["delete"], "one", &[]).expect(0);
        assert!(world.settle().is_empty(), "{:?}\n{}", world.settle(), run.story());
    }
    assert!(fs::read(world.dumps_dir().join("a.dmp")).unwrap() == dump_bytes(5000), "{}", world.log());
}

#[test]
fn a_shared_root_file_system_passes_no_mount_on() {
    for runtime in runtimes() {
        for propagation in ["shared", "slave", "private"] {
            let world = HookWorld::new(runtime);
            let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
            bundle.edit(|config| config["linux"]["rootfsPropagation"] = json!(propagation));
            on_a_shared_host(|| run_twice(&world, &bundle));
        }
    }
}

/// Before Linux 5.8 the number of a mount is in `/proc` alone.
#[test]
fn a_shared_root_file_system_passes_no_mount_on_without_numbers_of_mounts() {
    let world = HookWorld::new("crun").without("statx");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    bundle.edit(|config| config["linux"]["rootfsPropagation"] = json!("shared"));
    on_a_shared_host(|| run_twice(&world, &bundle));
}

#[test]
fn a_shared_volume_passes_no_mount_on() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let volume = world.path("volume");
        fs::create_dir_all(&volume).unwrap();
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        bundle.edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.push(json!({"destination": "/opt", "type": "bind", "source": volume, "options": ["rbind", "rshared"]}));
            config["linux"]["rootfsPropagation"] = json!("shared");
        });
        on_a_shared_host(|| {
            // The volume is a mount of its own on the host, and shared.
            command("mount", &["--bind".as_ref(), volume.as_ref(), volume.as_ref()]);
            command("mount", &["--make-shared".as_ref(), volume.as_ref()]);
            world.expect_remains();
            run_twice(&world, &bundle);
            command("umount", &[volume.as_ref()]);
            world.expect_nothing();
        });
    }
}

#[test]
fn without_a_mount_namespace_nothing_stays_mounted_wherever_links_lead() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    fs::create_dir_all(bundle.rootfs().join("data/dumps")).unwrap();
    fs::create_dir_all(bundle.rootfs().join("opt")).unwrap();
    symlink("../data/dumps", bundle.rootfs().join(SOURCE.trim_start_matches('/'))).unwrap();
    on_a_shared_host(|| {
        let held = Held::in_our_mounts();
        let state = |status: &str, pid: u32| {
            json!({"ociVersion": "1.0.2", "id": world.id("one"), "status": status, "bundle": bundle.dir, "pid": pid})
                .to_string()
        };
        world.hook_with_input(&["prestart"], &state("created", held.pid())).expect(0);
        let point = bundle.rootfs().join("data/dumps");
        assert!(mounted(&world) == std::slice::from_ref(&point), "{:?}", mounted(&world));
        fs::write(point.join("a.dmp"), dump_bytes(5000)).unwrap();
        drop(held);
        world.hook_with_input(&["poststop"], &state("stopped", 0)).expect(0);
        assert_eq!(mounted(&world), [] as [PathBuf; 0], "{}", world.log());
    });
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000));
}
