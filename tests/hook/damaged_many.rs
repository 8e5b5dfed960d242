//! Many damaged images: the newest four are kept for a person, and the app starts.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use oci_minidump::settings::DEFAULT_IMGSIZE;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::support::hook_world::HookWorld;
use crate::support::host::files_in;

/// A device that breaks its images at every start keeps the newest four, and its app starts with a minidump directory.
#[test]
fn of_many_damaged_images_the_oldest_go_and_the_app_starts() {
    let world = HookWorld::new("crun");
    let broken = world.image("app");
    let bundle = world.bundle("app", &["none"]);
    for round in 1..=6_u8 {
        break_image(&world, &broken, round);
        let name = format!("{round}.dmp");
        bundle.edit(|config| {
            config["process"]["args"] = json!(["/crasher", "/opt/minidumps", "write", name, "500", "none"]);
        });
        world.run(&bundle, "c").expect(0);
        assert_eq!(world.dumps().len(), usize::from(round), "{}", world.log());
    }
    let mut rounds = Vec::new();
    for path in files_in(&world.path("images")) {
        rounds.push(fs::read(&path).unwrap()[8_000_000]);
        fs::remove_file(path).unwrap();
    }
    rounds.sort_unstable();
    assert_eq!(rounds, [3, 4, 5, 6]);
}

/// The file at `image` becomes an image of ours that nothing can read.
fn break_image(world: &HookWorld, image: &Path, round: u8) {
    fs::rename(crate::images::image(world, DEFAULT_IMGSIZE, |_| {}), image).unwrap();
    let noise: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let file = File::options().write(true).open(image).unwrap();
    file.write_all_at(&noise, 2048).unwrap();
    file.write_all_at(&[round], 8_000_000).unwrap();
}

/// Neither those that a person looks at just then, nor a clock that jumps.
#[test]
fn damaged_images_that_cannot_go_are_passed_over_whatever_the_clock_says() {
    let world = HookWorld::new("crun");
    let image = world.image("app");
    let bundle = world.bundle("app", &["none"]);
    let damaged = |number: u32| world.path("images").join(format!("app.img.damaged{number}"));
    let mut locks = Vec::new();
    for round in 1..=7_u8 {
        break_image(&world, &image, round);
        world.run(&bundle, "c").expect(0);
        let file = File::open(damaged(round.into())).unwrap();
        // Each seems to be older than the one before.
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1000 - u64::from(round))).unwrap();
        match round {
            1 => {
                flock(&file, FlockOperation::LockExclusive).unwrap();
                locks.push(file);
            }
            2 => fs::hard_link(damaged(2), world.path("second")).unwrap(),
            _ => {}
        }
    }
    let left = || -> Vec<u8> {
        let files = files_in(&world.path("images")).into_iter();
        files.map(|path| fs::read(path).unwrap()[8_000_000]).collect()
    };
    assert_eq!(left(), [1, 2, 6, 7], "{}", world.log());
    drop(locks);
    break_image(&world, &image, 8);
    world.run(&bundle, "c").expect(0);
    assert_eq!(left(), [2, 6, 7, 8], "{}", world.log());
    for path in files_in(&world.path("images")) {
        fs::remove_file(path).unwrap();
    }
}
