//! The disk that the images lie on runs full, or has no room to reserve.

use std::fs;
use std::io::Write;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};

use crate::images::dump_bytes;
use crate::support::hook_world::HookWorld;
use crate::support::host::{command, files_in};

/// Runs `work` where the images lie on a small disk that nobody else sees.
pub(crate) fn on_a_small_disk(world: &HookWorld, kind: &str, work: impl FnOnce(&Path) + Send) {
    let images = world.path("images");
    let isolated = || {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        command("mount", &["--make-rprivate".as_ref(), "/".as_ref()]);
        command("mount", &["-t", kind, "-o", "size=12m", kind, images.to_str().unwrap()].map(AsRef::as_ref));
        work(&images);
        command("umount", &[images.as_ref()]);
    };
    std::thread::scope(|scope| scope.spawn(isolated).join()).unwrap();
}

/// Writes until nothing goes any more.
fn fill(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [1 << 20, 4096] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    path
}

#[test]
fn a_disk_that_runs_full_costs_no_dump() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "1000000", "none"]);
    on_a_small_disk(&world, "tmpfs", |images| {
        world.create(&bundle, "one").expect(0);
        let filler = fill(images);
        world.control(&["start"], "one", &[]).expect(0);
        crate::cycle::wait_until_stopped(&world, "one");
        world.control(&["delete"], "one", &[]).expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(1_000_000), "{}", world.log());
        fs::remove_file(filler).unwrap();
        assert_eq!(files_in(images).len(), 0, "{}", world.log());
    });
}

#[test]
fn where_no_room_can_be_reserved_a_loss_is_noticed() {
    let world = HookWorld::new("crun").without("fallocate");
    let bundle = world.bundle("app", &["write", "a.dmp", "1000000", "none"]);
    on_a_small_disk(&world, "tmpfs", |images| {
        world.create(&bundle, "one").expect(0);
        assert!(world.log().contains("cannot reserve room for the image"), "{}", world.log());
        let filler = fill(images);
        world.control(&["start"], "one", &[]).expect(0);
        crate::cycle::wait_until_stopped(&world, "one");
        world.control(&["delete"], "one", &[]).expect(0);
        assert!(world.image("app").exists(), "{}", world.log());
        fs::remove_file(filler).unwrap();
        let swept = world.hook(&["sweep"]).expect(0);
        let is_whole = world.dumps().iter().any(|path| fs::read(path).unwrap() == dump_bytes(1_000_000));
        let is_noticed = swept.stderr().contains("dumps may be missing");
        assert!(!is_whole && is_noticed, "{:?} {}", world.dumps(), swept.story());
        let kept: Vec<_> = files_in(images);
        assert!(kept.len() == 1 && kept[0].to_str().unwrap().contains(".damaged"), "{kept:?}");
        fs::remove_file(&kept[0]).unwrap();
    });
}

#[test]
fn images_can_lie_on_ramfs_that_counts_no_room() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "none"]);
    on_a_small_disk(&world, "ramfs", |_| {
        world.run(&bundle, "one").expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", world.log());
    });
}
