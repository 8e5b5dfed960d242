//! Getting the mount into every kind of container, and never anywhere else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use oci_minidump::image::mount::label::MountLabel;
use oci_minidump::proc::selinux;
use serde_json::{Value, json};

use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::command;
use crate::support::test_runtimes::runtimes;

/// What makes a container special.
type Kind = (&'static str, fn(&HookWorld, &Bundle));

const KINDS: [Kind; 14] = [
    ("read-only root", |_, bundle| bundle.edit(|config| config["root"]["readonly"] = true.into())),
    ("relative root", |_, bundle| bundle.edit(|config| config["root"]["path"] = "./rootfs".into())),
    ("absolute root", |_, bundle| {
        let rootfs = bundle.rootfs();
        bundle.edit(|config| config["root"]["path"] = rootfs.to_str().into());
    }),
    ("tmpfs on the parent", |_, bundle| {
        mount(bundle, &json!({"destination": "/opt", "type": "tmpfs", "source": "tmpfs"}))
    }),
    ("user 1000", |_, bundle| user(bundle, 1000)),
    ("mapped users", |_, bundle| map_users(bundle, 0)),
    ("mapped users, user 1000", |_, bundle| map_users(bundle, 1000)),
    ("propagation private", |_, bundle| propagate(bundle, "private")),
    ("propagation slave", |_, bundle| propagate(bundle, "slave")),
    ("propagation shared", |_, bundle| propagate(bundle, "shared")),
    ("propagation rshared", |_, bundle| propagate(bundle, "rshared")),
    ("propagation rslave", |_, bundle| propagate(bundle, "rslave")),
    ("absolute link", |_, bundle| {
        fs::create_dir_all(bundle.rootfs().join("var/lib")).unwrap();
        symlink("/var/lib", bundle.rootfs().join("opt")).unwrap();
    }),
    ("createRuntime", |world, bundle| {
        let entry = world.hook_entry("createRuntime");
        bundle.edit(|config| {
            config["hooks"] = json!({"createRuntime": [entry], "poststop": config["hooks"]["poststop"]})
        });
    }),
];

fn mount(bundle: &Bundle, entry: &Value) {
    bundle.edit(|config| config["mounts"].as_array_mut().unwrap().push(entry.clone()));
}

fn user(bundle: &Bundle, id: u32) {
    bundle.edit(|config| config["process"]["user"] = json!({"uid": id, "gid": id}));
}

fn propagate(bundle: &Bundle, kind: &str) {
    bundle.edit(|config| config["linux"]["rootfsPropagation"] = kind.into());
}

fn map_users(bundle: &Bundle, id: u32) {
    user(bundle, id);
    // A stranger in the user namespace must be able to reach the root file system.
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    bundle.edit(|config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map.clone();
    });
    command("chown", &["-R".as_ref(), "100000:100000".as_ref(), bundle.rootfs().as_ref()]);
}

#[test]
fn every_kind_of_container_gets_its_directory() {
    for runtime in runtimes() {
        for (name, prepare) in KINDS {
            let world = HookWorld::new(runtime);
            let bundle = world.bundle("app", &["segv"]);
            prepare(&world, &bundle);
            let run = world.run(&bundle, "c");
            assert_eq!(world.dumps().len(), 1, "{runtime}, {name}: {}", run.story());
            minidump::Minidump::read_path(world.dump()).unwrap();
            assert!(world.leaks().is_empty(), "{runtime}, {name}: {:?}", world.leaks());
            command("chown", &["-R".as_ref(), "0:0".as_ref(), bundle.rootfs().as_ref()]);
        }
    }
}

#[test]
fn a_container_in_the_hosts_mount_namespace_is_unmounted_at_poststop() {
    // runc refuses such containers.
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["segv"]);
    bundle.edit(|config| {
        config["linux"]["namespaces"] = json!([{"type": "pid"}]);
        config["mounts"] = json!([]);
    });
    world.create(&bundle, "c").expect(0);
    assert_eq!(world.leaks().len(), 2, "{:?}", world.leaks());
    world.control(&["start"], "c", &[]).expect(0);
    crate::cycle::wait_until_stopped(&world, "c");
    let run = world.control(&["delete"], "c", &[]).expect(0);
    assert!(world.leaks().is_empty(), "{:?}\n{}", world.leaks(), run.story());
    assert!(!world.image("app").exists(), "{}", run.story());
}

/// What a hostile root file system holds in place of the directory, what the hook says about it, and whether the
/// container may still get its directory (somewhere below its root).
type Trap = (&'static str, fn(&HookWorld, &Path), Option<&'static str>);

const TRAPS: [Trap; 10] = [
    (
        "/opt leads to a host directory",
        |world, rootfs| {
            symlink(world.path("victim"), rootfs.join("opt")).unwrap();
        },
        Some("cannot make /opt/minidumps in the container"),
    ),
    (
        "/opt climbs out to /etc",
        |_, rootfs| {
            fs::create_dir(rootfs.join("etc")).unwrap();
            symlink("../../../../../../../../../../etc", rootfs.join("opt")).unwrap();
        },
        None,
    ),
    (
        "/opt leads to an absolute /etc",
        |_, rootfs| {
            fs::create_dir(rootfs.join("etc")).unwrap();
            symlink("/etc", rootfs.join("opt")).unwrap();
        },
        None,
    ),
    (
        "the directory is a file",
        |_, rootfs| {
            fs::create_dir(rootfs.join("opt")).unwrap();
            fs::write(rootfs.join("opt/minidumps"), "").unwrap();
        },
        Some("is not a directory but a file"),
    ),
    (
        "the directory is a FIFO",
        |_, rootfs| {
            fs::create_dir(rootfs.join("opt")).unwrap();
            command("mkfifo", &[rootfs.join("opt/minidumps").as_ref()]);
        },
        Some("is not a directory but a FIFO"),
    ),
    (
        "the directory is a device",
        |_, rootfs| {
            fs::create_dir(rootfs.join("opt")).unwrap();
            let node = rootfs.join("opt/minidumps");
            command("mknod", &[node.as_ref(), "c".as_ref(), "1".as_ref(), "3".as_ref()]);
        },
        Some("is not a directory but a device"),
    ),
    (
        "the directory leads to the root",
        |_, rootfs| {
            fs::create_dir(rootfs.join("opt")).unwrap();
            symlink("/", rootfs.join("opt/minidumps")).unwrap();
        },
        Some("leads to the root directory"),
    ),
    (
        "the directory leads into proc",
        |_, rootfs| {
            fs::create_dir(rootfs.join("opt")).unwrap();
            symlink("/proc/self", rootfs.join("opt/minidumps")).unwrap();
        },
        Some("/opt/minidumps in the container"),
    ),
    (
        "the directory is a loop of links",
        |_, rootfs| {
            symlink("opt", rootfs.join("opt")).unwrap();
        },
        Some("cannot find /opt/minidumps in the container"),
    ),
    (
        "a parent is a file",
        |_, rootfs| {
            fs::write(rootfs.join("opt"), "").unwrap();
        },
        Some("/opt/minidumps in the container"),
    ),
];

#[test]
fn hostile_root_file_systems_never_lead_outside() {
    for runtime in runtimes() {
        for (name, lay, refusal) in TRAPS {
            let world = HookWorld::new(runtime);
            fs::create_dir(world.path("victim")).unwrap();
            let bundle = world.bundle("app", &["segv"]);
            lay(&world, &bundle.rootfs());
            let run = world.create(&bundle, "c");
            assert_eq!(fs::read_dir(world.path("victim")).unwrap().count(), 0, "{name}: {}", run.story());
            assert!(!Path::new("/etc/minidumps").exists(), "{name}: {}", run.story());
            match refusal {
                Some(text) => {
                    run.fails_with(text);
                    assert!(!world.image("app").exists(), "{name}: the image was left");
                }
                None => {
                    run.expect(0);
                    let leaks = world.leaks();
                    assert!(leaks.iter().all(|leak| leak.starts_with("loop device")), "{name}: {leaks:?}");
                    world.control(&["start"], "c", &[]).expect(0);
                    crate::cycle::wait_until_stopped(&world, "c");
                    world.control(&["delete"], "c", &[]).expect(0);
                    assert_eq!(world.dumps().len(), 1, "{name}: {}", world.log());
                }
            }
        }
    }
}

#[test]
fn a_root_on_a_read_only_file_system_is_explained() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let image = world.path("root.img");
    command(
        "mke2fs",
        &[
            "-q".as_ref(),
            "-t".as_ref(),
            "ext4".as_ref(),
            "-d".as_ref(),
            bundle.rootfs().as_ref(),
            image.as_ref(),
            "32m".as_ref(),
        ],
    );
    let point = world.path("ro");
    fs::create_dir(&point).unwrap();
    command("mount", &["-o".as_ref(), "loop,ro".as_ref(), image.as_ref(), point.as_ref()]);
    bundle.edit(|config| config["root"] = json!({"path": point, "readonly": true}));
    world
        .run(&bundle, "c")
        .fails_with("make the directory in the root file system, or put a tmpfs on its parent in mounts[]");
    // Not required: the container runs without it.
    bundle.set_required(false);
    world.run(&bundle, "d").expect(0);
    assert!(world.log().contains("it starts without this minidump directory"), "{}", world.log());
    command("umount", &[point.as_ref()]);
}

#[test]
fn what_is_not_required_does_not_keep_a_container_from_starting() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "a.dmp", "100", "none"]);
        let bad = json!({"image": "/proc/nowhere/x.img", "containerSource": "/var/other", "hostDestination": world.dumps_dir()});
        bundle.set_paths(&json!([bad, world.entry("app")]));
        world.run(&bundle, "required").fails_with("/proc/nowhere");
        assert!(world.dumps().is_empty() && !world.image("app").exists());
        bundle.set_required(false);
        let run = world.run(&bundle, "optional").expect(0);
        assert_eq!(world.dumps().len(), 1, "{}", run.story());
        assert!(run.story().contains("it starts without this minidump directory"), "{}", run.story());
        // A mistake in the configuration is no reason either.
        bundle.edit(|config| config["rdkPlugins"]["minidump"]["data"]["paths"][0]["imgsize"] = 1024.into());
        world.run(&bundle, "mistake").expect(0);
        bundle.set_required(true);
        world.run(&bundle, "fatal").fails_with(
            "imgsize 1024 is below the minimum of 131072 bytes (rdkPlugins.minidump.data.paths[0].imgsize)",
        );
    }
}

#[test]
fn without_selinux_a_mount_label_changes_nothing() {
    // runc refuses such a configuration on a kernel without SELinux.
    for missing in ["", "fsopen"] {
        let mut world = HookWorld::new("crun");
        if !missing.is_empty() {
            world = world.without(missing);
        }
        let bundle = world.bundle("app", &["segv"]);
        bundle.edit(|config| config["linux"]["mountLabel"] = "u:object_r:container_file_t:s0:c1,c2".into());
        world.create(&bundle, "c").expect(0);
        let label = MountLabel::of(&fs::File::open(world.image("app")).unwrap());
        assert_eq!(label.is_some(), selinux::is_enabled().unwrap(), "{label:?}");
        world.control(&["start"], "c", &[]).expect(0);
        crate::cycle::wait_until_stopped(&world, "c");
        let run = world.control(&["delete"], "c", &[]).expect(0);
        assert_eq!(world.dumps().len(), 1, "{}", run.story());
    }
}

#[test]
fn an_image_larger_than_the_disk_is_refused_with_the_limit() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    bundle.edit(|config| {
        config["rdkPlugins"]["minidump"]["data"]["paths"][0]["imgsize"] = (1_u64 << 50).into()
    });
    world.run(&bundle, "c").fails_with("imgsize 1125899906842624 is above the");
    assert!(!world.image("app").exists());
}
