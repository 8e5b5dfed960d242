//! The plugin `storage`, and mounts of type `loop`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::daemon::{left, pid, start, world};
use crate::plugins::{WAYS, Way, gone, required, said, says};
use crate::specs::with;
use crate::support::daemon_world::DaemonWorld;

/// `MS_NOSUID | MS_NODEV | MS_NOEXEC`.
const FLAGS: u32 = 14;

fn loopback(image: &Value) -> Value {
    required("storage", &json!({"loopback": [image]}))
}

/// The files behind loop devices, so far as they lie in the world.
pub(crate) fn attached(world: &DaemonWorld) -> Vec<String> {
    let devices = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().path());
    let files = devices.filter_map(|device| fs::read_to_string(device.join("loop/backing_file")).ok());
    files.filter(|file| file.starts_with(world.dir.path().to_str().unwrap())).collect()
}

/// Nothing may be left of a container but its images.
fn all_gone(world: &DaemonWorld, id: &str) {
    gone(world, id);
    world.until("its loop devices are free", || attached(world).is_empty());
}

/// Why a start was refused.
fn reason(error: &Value) -> &str {
    error["data"].as_str().unwrap()
}

/// An image with a file system in it.
fn make_image(path: &Path) {
    fs::File::create(path).unwrap().set_len(4 << 20).unwrap();
    let output = Command::new("mke2fs").args(["-q", "-F", "-t", "ext4"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_image_is_made_kept_and_given_to_the_containers_user() {
    let world = world();
    for way in WAYS {
        let (id, image) =
            (world.id(&format!("kept-{way:?}")), world.path(&format!("images/{way:?}/data.img")));
        let plugins = loopback(&json!({"source": image, "destination": "/data/deep", "flags": FLAGS,
            "imgsize": 4_194_304}));
        let script = "cat /data/deep/word 2>/dev/null; echo kept > /data/deep/word && echo written; \
            grep ' /data/deep ' /proc/self/mountinfo | cut -d ' ' -f 6; sleep 60";
        fs::create_dir_all(world.path("rootfs/data/deep")).unwrap();
        for expected in ["written\n", "kept\nwritten\n"] {
            way.start(&world, &id, script, &plugins);
            says(&world, &id, &format!("{expected}rw,nosuid,nodev,noexec,relatime\n"));
            assert_eq!(attached(&world).len(), 1);
            let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
            let place = world.path("state").join(&id);
            assert!(!mounts.contains(place.to_str().unwrap()), "the host sees the image: {mounts}");
            all_gone(&world, &id);
            let metadata = fs::metadata(&image).unwrap();
            assert_eq!((metadata.len(), metadata.mode() & 0o777), (4_194_304, 0o600));
        }
    }
}

/// A kernel without xfs says so.
#[test]
fn every_type_of_image_is_made_and_kept() {
    let world = world();
    fs::create_dir_all(world.path("rootfs/data")).unwrap();
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    for (fstype, size) in [("ext2", 4 << 20), ("ext3", 4 << 20), ("EXT4", 4 << 20), ("xfs", 300 << 20)] {
        let (id, image) = (world.id(fstype), world.path(fstype));
        let plugins = loopback(&json!({"source": image, "destination": "/data", "flags": FLAGS,
            "fstype": fstype, "imgsize": size}));
        let script = "cat /data/word 2>/dev/null; echo kept > /data/word && echo written; \
            grep ' /data ' /proc/self/mountinfo | sed 's/.* - //; s/ .*//'; sleep 60";
        for expected in ["written\n", "kept\nwritten\n"] {
            let started = Way::Bundle.try_start(&world, &id, script, &plugins);
            if fstype == "xfs" && !known.contains("\txfs\n") {
                assert!(reason(&started.unwrap_err()).contains("cannot mount the image"), "{}", world.log());
                break;
            }
            assert!(started.is_ok(), "{started:?}\n{}", world.log());
            says(&world, &id, &format!("{expected}{}\n", fstype.to_lowercase()));
            all_gone(&world, &id);
        }
    }
    // mkfs.xfs wants more than Dobby's default.
    let small =
        json!({"source": world.path("small"), "destination": "/data", "flags": FLAGS, "fstype": "xfs"});
    let error = Way::Bundle.try_start(&world, &world.id("small"), "x", &loopback(&small)).unwrap_err();
    assert!(reason(&error).contains("300MB"), "{error}");
    assert!(!world.path("small").exists() && left(&world).is_empty());
}

#[test]
fn an_image_goes_with_its_container_however_that_ends() {
    let mut world = world();
    fs::create_dir_all(world.path("rootfs/data")).unwrap();
    for way in WAYS {
        let (id, image) = (world.id(&format!("gone-{way:?}")), world.path(&format!("{way:?}.img")));
        let plugins = loopback(&json!({"source": image, "destination": "/data", "flags": 6,
            "persistent": false, "imgsize": 2_097_152}));
        way.start(&world, &id, "echo > /data/x && echo ok; sleep 60", &plugins);
        says(&world, &id, "ok\n");
        assert!(image.exists());
        all_gone(&world, &id);
        assert!(!image.exists());

        // A start that fails.
        let error = way.try_start(
            &world,
            &id,
            "x",
            &json!({"storage": plugins["storage"], "oomcrash":
            {"required": true, "dependsOn": ["storage"], "data": {"path": "relative"}}}),
        );
        assert!(error.is_err(), "{error:?}");
        assert!(!image.exists() && left(&world).is_empty(), "{:?}\n{}", left(&world), world.log());

        // An end that no daemon sees.
        way.start(&world, &id, "echo > /data/x && echo ok; sleep 60", &plugins);
        says(&world, &id, "ok\n");
        let program = i32::try_from(pid(&world, &id)).unwrap();
        world.end(Signal::KILL);
        kill_process(Pid::from_raw(program).unwrap(), Signal::KILL).unwrap();
        world.start();
        world.until("it is gone", || left(&world).is_empty());
        world.until("so is the image", || !image.exists() && attached(&world).is_empty());
    }
}

#[test]
fn a_daemon_killed_in_the_middle_of_a_start_leaves_no_mount() {
    let mut world = world();
    let (id, image) = (world.id("half"), world.path("data.img"));
    world.end(Signal::KILL);
    // What it leaves: the image is mounted, and the runtime was not called yet.
    let shelf = world.path("state").join(&id);
    fs::create_dir_all(shelf.join("storage/0")).unwrap();
    fs::write(shelf.join("mark"), "").unwrap();
    fs::write(shelf.join("storage.json"), json!({"remove": [image]}).to_string()).unwrap();
    make_image(&image);
    let mount = Command::new("mount").args(["-o", "loop"]).arg(&image).arg(shelf.join("storage/0")).output();
    assert!(mount.as_ref().unwrap().status.success(), "{mount:?}");
    world.start();
    world.until("all is taken away", || left(&world).is_empty());
    world.until("so is the image", || !image.exists() && attached(&world).is_empty());
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    assert!(!mounts.contains(world.dir.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn a_loop_mount_of_a_spec_needs_its_image() {
    let world = world();
    let (id, image) = (world.id("spec"), world.path("data.img"));
    let mount = json!({"type": "loop", "fstype": "ext4", "source": image, "destination": "/data",
        "options": ["nosuid", "nodev", "ro"]});
    let spec = with(&json!({
        "args": ["sh", "-c", "ls /data; touch /data/x 2>/dev/null || echo read-only; sleep 60"],
        "mounts": [mount],
        "rdkPlugins": {"storage": {"required": true, "data": {}}},
    }));
    let params = json!({"containerId": id, "dobbySpec": spec});
    let error = world.call("startContainerFromDobbySpec", &params).unwrap_err();
    assert!(reason(&error).contains("there is no image"), "{error}");
    make_image(&image);
    start(&world, &id, &spec);
    says(&world, &id, "lost+found\nread-only\n");
    all_gone(&world, &id);
    assert!(image.exists());
}

#[test]
fn two_containers_share_an_image() {
    let world = world();
    fs::create_dir_all(world.path("rootfs/data")).unwrap();
    let image = world.path("shared.img");
    let plugins =
        loopback(&json!({"source": image, "destination": "/data", "flags": 6, "persistent": false}));
    let (one, two) = (world.id("one"), world.id("two"));
    Way::Bundle.start(&world, &one, "echo hello > /data/word; echo done; sleep 60", &plugins);
    says(&world, &one, "done\n");
    Way::Bundle.start(&world, &two, "cat /data/word; sleep 60", &plugins);
    says(&world, &two, "hello\n");
    assert_eq!(attached(&world).len(), 1, "one device for one image");
    world.done("deleteContainer", &json!({"containerId": one, "force": true}));
    assert!(image.exists(), "the other one uses it");
    all_gone(&world, &two);
    assert!(!image.exists());
}

/// Writes into an image.
fn spoil(image: &Path, requests: &[&str]) {
    for request in requests {
        let output = Command::new("debugfs").args(["-w", "-R", request]).arg(image).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn what_cannot_be_mounted_is_left_as_it_is() {
    let world = world();
    let id = world.id("refused");
    let image = world.path("data.img");
    fs::write(&image, vec![7; 1 << 20]).unwrap();
    let link = world.path("link.img");
    symlink(&image, &link).unwrap();
    let entry = |source: &Path, flags: u32| json!({"source": source, "destination": "/tmp", "flags": flags});
    let mut foreign = entry(&image, 6);
    foreign["fstype"] = "minix".into();
    foreign["source"] = world.path("none.img").to_str().unwrap().into();
    let cases = [
        (entry(&image, 6), "holds no file system of its type"),
        (entry(&link, 6), "is a symbolic link"),
        (entry(&image, 4096), "is not a flag"),
        (entry(Path::new("/dev/null"), 6), "is a device"),
        (json!({"source": image, "destination": "/tmp/../etc", "flags": 6}), "contains '..'"),
        (foreign, "cannot make an image of type \"minix\""),
    ];
    for (entry, expected) in cases {
        let error = Way::Bundle.try_start(&world, &id, "true", &loopback(&entry)).unwrap_err();
        assert!(reason(&error).contains(expected), "{expected}: {error}");
        assert!(left(&world).is_empty() && attached(&world).is_empty(), "{:?}", left(&world));
        assert_eq!(fs::read(&image).unwrap(), vec![7; 1 << 20]);
    }
    // A root directory that is none: nothing to be mended without asking.
    make_image(&image);
    spoil(&image, &["ssv state 2", "set_inode_field <2> mode 0100644"]);
    let error = Way::Bundle.try_start(&world, &id, "true", &loopback(&entry(&image, 6))).unwrap_err();
    let why = reason(&error);
    assert!(why.contains("is damaged: e2fsck -p ended with 4: ") && why.contains("MANUALLY"), "{error}");
    assert!(image.exists() && left(&world).is_empty() && attached(&world).is_empty());
}

#[test]
fn an_image_that_was_in_use_when_the_power_went_is_repaired() {
    let world = world();
    let (id, image) = (world.id("dirty"), world.path("data.img"));
    make_image(&image);
    // "Errors were seen", and a wrong count of free blocks.
    spoil(&image, &["ssv state 2", "ssv free_blocks_count 7"]);
    let plugins = loopback(&json!({"source": image, "destination": "/tmp", "flags": 6}));
    Way::Bundle.start(&world, &id, "echo > /tmp/x && echo ok; sleep 60", &plugins);
    says(&world, &id, "ok\n");
    all_gone(&world, &id);
    let output = Command::new("e2fsck").args(["-fn"]).arg(&image).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_link_in_the_root_file_system_leads_nowhere_outside() {
    let world = world();
    let (id, outside) = (world.id("link"), world.path("outside"));
    fs::create_dir(&outside).unwrap();
    symlink(&outside, world.path("rootfs/evil")).unwrap();
    let image = world.path("data.img");
    let plugins = loopback(&json!({"source": image, "destination": "/evil", "flags": 6}));
    // Seen from the container's root, it leads to nothing.
    let error = Way::Bundle.try_start(&world, &id, "echo > /evil/x", &plugins).unwrap_err();
    assert!(reason(&error).contains("evil"), "{error}");
    world.until("nothing is left", || left(&world).is_empty() && attached(&world).is_empty());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn what_may_not_be_there_is_mounted_when_it_is() {
    let world = world();
    let (there, missing) = (world.path("there"), world.path("missing"));
    fs::create_dir(&there).unwrap();
    fs::write(there.join("word"), "hello\n").unwrap();
    fs::create_dir_all(world.path("rootfs/there")).unwrap();
    fs::create_dir_all(world.path("rootfs/missing")).unwrap();
    let entry = |source: &PathBuf, place: &str| json!({"source": source, "destination": place, "flags": 15});
    let data = json!({"dynamic": [entry(&there, "/there"), entry(&missing, "/missing")]});
    for way in WAYS {
        let id = world.id(&format!("dynamic-{way:?}"));
        let script = "cat /there/word; touch /there/x 2>/dev/null || echo read-only; \
            grep -c ' /missing ' /proc/self/mountinfo; sleep 60";
        way.start(&world, &id, script, &required("storage", &data));
        says(&world, &id, "hello\nread-only\n0\n");
        gone(&world, &id);
    }
}

#[test]
fn owners_change_and_links_are_not_followed() {
    let world = world();
    let (source, outside) = (world.path("source"), world.path("outside"));
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::write(source.join("a/file"), "").unwrap();
    fs::write(&outside, "").unwrap();
    symlink(&outside, source.join("a/link")).unwrap();
    fs::hard_link(&outside, source.join("a/b/hard")).unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = |path: &Path| {
        let metadata = fs::symlink_metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let requests = |recursive: bool| {
        let one = json!({"source": source, "recursive": recursive});
        let other = json!({"source": world.path("none"), "user": "root", "group": "1"});
        required("storage", &json!({"mountOwner": [one, other]}))
    };
    let id = world.id("owner");
    Way::Spec.start(&world, &id, "echo up; sleep 60", &requests(false));
    gone(&world, &id);
    assert_eq!((owner(&source), owner(&source.join("a"))), ((1000, 1000), (0, 0)));
    Way::Spec.start(&world, &id, "echo up; sleep 60", &requests(true));
    assert_eq!(said(&world, &id).len() % 3, 0);
    gone(&world, &id);
    for path in ["a", "a/b", "a/file", "a/link"] {
        assert_eq!(owner(&source.join(path)), (1000, 1000), "{path}");
    }
    assert_eq!(owner(&outside), (0, 0));
    let nobody = json!({"mountOwner": [{"source": source, "user": "no such user"}]});
    let error = Way::Spec.try_start(&world, &id, "true", &required("storage", &nobody)).unwrap_err();
    assert!(reason(&error).contains("has no user \"no such user\""), "{error}");
}
