//! What images in memory cost: the disk nothing, the container nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::identity::pid;
use crate::memory::{MEMORY, world};
use crate::support::hook_world::{HookWorld, SOURCE};
use crate::support::host::{command, wait_until};
use crate::support::test_runtimes::runtimes;

/// What the kernel says that a disk was asked for: sectors to write, discards, flushes.
fn counts(device: &str) -> [u64; 3] {
    let stat = format!("/sys/block/{}/stat", device.trim_start_matches("/dev/"));
    let text = fs::read_to_string(stat).unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
    [numbers[6], numbers[11], numbers[15]]
}

#[test]
fn a_container_without_a_dump_writes_nothing_to_the_disk() {
    let world = world("crun", "");
    let bundle = world.bundle("app", &["none"]);
    let (file, disk) = (world.path("disk"), world.path("images"));
    fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    let device = command("losetup", &["--find".as_ref(), "--show".as_ref(), file.as_ref()]).trim().to_owned();
    command("mkfs.ext4", &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", &device].map(AsRef::as_ref));
    command("mount", &["-o".as_ref(), "noatime".as_ref(), device.as_ref(), disk.as_ref()]);
    world.settings(&format!(
        "{MEMORY}[annotations]\n# known_dirs and host_destination are on the disk, too\nimage_dirs = []\n"
    ));
    let text = fs::read_to_string(world.path("settings.toml")).unwrap();
    let text = text
        .replace(world.path("image-dirs").to_str().unwrap(), disk.join("image-dirs").to_str().unwrap())
        .replace(world.dumps_dir().to_str().unwrap(), disk.join("dumps").to_str().unwrap());
    fs::write(world.path("settings.toml"), text).unwrap();
    // The first one makes what stays.
    world.run(&bundle, "first").expect(0);
    command("sync", &["--file-system".as_ref(), disk.as_ref()]);
    let before = counts(&device);
    for name in ["c", "d"] {
        world.run(&bundle, name).expect(0);
    }
    command("sync", &["--file-system".as_ref(), disk.as_ref()]);
    let after = counts(&device);
    command("umount", &["--lazy".as_ref(), disk.as_ref()]);
    command("losetup", &["--detach".as_ref(), device.as_ref()]);
    // A sync of a file system to which nothing was written flushes it all the same.
    assert_eq!(after[..2], before[..2], "{}", world.log());
    assert!(after[2] <= before[2] + 1, "{before:?} {after:?}");
}

/// The memory cgroup of version 1 or 2 of a name, if there is one to make.
fn cgroup(name: &str) -> Option<PathBuf> {
    let root = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(Path::new);
    let root = root.into_iter().find(|root| {
        root.join("memory.usage_in_bytes").exists()
            || fs::read_to_string(root.join("cgroup.subtree_control")).is_ok_and(|all| all.contains("memory"))
    })?;
    Some(root.join(name))
}

/// The memory that a container pays for the image behind a dump of 4 MB; `None` where groups count no memory.
fn charged(world: &HookWorld) -> Option<u64> {
    let bundle = world.bundle("app", &["write", "a.dmp", "4000000", "sleep", "1000"]);
    let group = cgroup(&world.id("group"))?;
    bundle.edit(|config| {
        config["linux"]["cgroupsPath"] = json!(format!("/{}", world.id("group")));
        config["linux"]["resources"] = json!({"memory": {"limit": 64 << 20}});
    });
    world.create(&bundle, "c").expect(0);
    world.control(&["start"], "c", &[]).expect(0);
    let dir = PathBuf::from(format!("/proc/{}/root{SOURCE}", pid(world, "c")));
    wait_until(|| fs::metadata(dir.join("a.dmp")).is_ok_and(|metadata| metadata.len() == 4_000_000));
    command("sync", &["--file-system".as_ref(), dir.as_ref()]);
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap();
    world.control(&["delete", "--force"], "c", &[]).expect(0);
    let shmem = stat.lines().find_map(|line| line.strip_prefix("shmem "));
    Some(shmem.unwrap().parse().unwrap())
}

/// The pages of an image are there before its container runs: the hook has paid for them.
#[test]
fn a_container_does_not_pay_for_the_pages_of_its_image() {
    for runtime in runtimes() {
        assert_eq!(charged(&world(runtime, "")).unwrap_or(0), 0, "{runtime}");
    }
}
