//! Images that are attached to a read-only loop device: by a reader that just ends, by an administrator who looks.

use std::fs::{self, File};

use oci_minidump::settings::DEFAULT_IMGSIZE;
use rustix::fs::inotify;

use crate::attached::Attached;
use crate::images::{dump_bytes, image};
use crate::support::hook_world::HookWorld;

#[test]
fn an_image_that_is_looked_at_is_harvested_and_kept() {
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), dump_bytes(5000)).unwrap());
    let harvest =
        || world.hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()]);
    let device = Attached::new(&image, &["--read-only"]);
    let run = harvest().expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", run.story());
    assert!(
        run.stderr().contains(&format!("is still attached to {}", device.device().display())),
        "{}",
        run.story()
    );
    assert!(image.exists(), "{}", run.story());
    drop(device);
    let run = harvest().expect(0);
    assert!(!image.exists(), "{}", run.story());
    assert_eq!(world.dumps().len(), 1, "{}", run.story());
}

/// A process that looks for the device of its own image has each open for a moment, so that others go a moment late.
#[test]
fn a_reader_that_just_ended_does_not_keep_an_image() {
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), dump_bytes(5000)).unwrap());
    let device = Attached::new(&image, &["--read-only"]);
    let path = device.device().to_owned();
    let held = File::open(&path).unwrap();
    drop(device);
    let opened = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&opened, &path, inotify::WatchFlags::OPEN).unwrap();
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            // It may be another test's hook that looks: then the device goes before this one does.
            rustix::io::read(&opened, &mut [0; 256]).unwrap();
            drop(held);
        });
        world.hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
    });
    let run = run.expect(0);
    assert!(!image.exists(), "{}", run.story());
}
