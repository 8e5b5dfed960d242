//! Kernels of set-top boxes: each newer system call missing, and all of them together.

use std::fs;

use serde_json::json;

use crate::images::dump_bytes;
use crate::support::hook_world::HookWorld;
use crate::support::host::command;
use crate::support::test_runtimes::runtimes;

/// What a kernel may lack: before 5.2, 5.6, 5.8, 5.12, 5.3, 5.9, and 5.2 with everything after it; and what a file system
/// may lack.
const MISSING: [&str; 8] = [
    "O_TMPFILE",
    "fsopen",
    "openat2",
    "LOOP_CONFIGURE",
    "mount_setattr",
    "pidfd_open",
    "close_range",
    "O_TMPFILE,fsopen,openat2,LOOP_CONFIGURE,mount_setattr,pidfd_open,close_range",
];

#[test]
fn the_cycle_works_without_each_newer_system_call() {
    for missing in MISSING {
        for runtime in runtimes() {
            let world = HookWorld::new(runtime).without(missing);
            let bundle = world.bundle("app", &["write", "a.dmp", "5000", "segv"]);
            let run = world.run(&bundle, "c");
            assert_eq!(world.dumps().len(), 2, "without {missing}: {}", run.story());
            assert!(
                fs::read(world.dumps_dir().join("a.dmp")).unwrap() == dump_bytes(5000),
                "{missing}: {}",
                run.story()
            );
            assert!(world.leaks().is_empty(), "{missing}: {:?}", world.leaks());
        }
    }
}

#[test]
fn mapped_users_can_write_without_an_idmapped_mount() {
    for missing in ["mount_setattr", "fsopen"] {
        for id in [0, 1000] {
            let world = HookWorld::new("crun").without(missing);
            let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
            let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
            bundle.edit(|config| {
                config["process"]["user"] = json!({"uid": id, "gid": id});
                config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
                config["linux"]["uidMappings"] = map.clone();
                config["linux"]["gidMappings"] = map.clone();
            });
            command("chown", &["-R".as_ref(), "100000:100000".as_ref(), bundle.rootfs().as_ref()]);
            let run = world.run(&bundle, "c").expect(0);
            assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{missing}: {}", run.story());
        }
    }
}

#[test]
fn links_stay_inside_the_root_without_openat2() {
    for missing in ["openat2", "openat2,fsopen"] {
        let world = HookWorld::new("crun").without(missing);
        let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
        fs::create_dir(world.path("victim")).unwrap();
        fs::create_dir(bundle.rootfs().join("etc")).unwrap();
        std::os::unix::fs::symlink("../../../../../../../etc", bundle.rootfs().join("opt")).unwrap();
        let run = world.run(&bundle, "c").expect(0);
        assert_eq!(world.dumps().len(), 1, "{missing}: {}", run.story());
        assert!(!std::path::Path::new("/etc/minidumps").exists());
    }
}

#[test]
fn the_kernel_reads_images_without_a_detached_mount() {
    let world = HookWorld::new("crun").without("fsopen");
    let path = world.image("app");
    fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
    let options = ["-q", "-F", "-t", "ext4", "-L", "oci-minidump", "-O", "inline_data"];
    command("mke2fs", &options.iter().map(AsRef::as_ref).chain([path.as_ref()]).collect::<Vec<_>>());
    world.with_mounted(&path, |dir| {
        fs::write(dir.join("a.dmp"), dump_bytes(30_000)).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.join("x.dmp")).unwrap();
    });
    let bundle = world.bundle("app", &["none"]);
    let run = world.run(&bundle, "c").expect(0);
    assert!(world.log().contains("the kernel is asked to read it"), "{}", run.story());
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(30_000), "{}", run.story());
}
