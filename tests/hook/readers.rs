//! Images that are attached to a read-only loop device: by a reader that just ends, by an administrator who looks.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use oci_minidump::settings::DEFAULT_IMGSIZE;
use rustix::fs::inotify;

use crate::images::{dump_bytes, image};
use crate::support::hook_world::HookWorld;
use crate::support::host::command;

/// A read-only loop device, detached in the end.
struct ReadOnly(String);

impl ReadOnly {
    fn attach(file: &Path) -> Self {
        let arguments = ["--find".as_ref(), "--show".as_ref(), "--read-only".as_ref(), file.as_os_str()];
        Self(command("losetup", &arguments).trim().to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        command("losetup", &["--detach".as_ref(), self.0.as_ref()]);
    }
}

#[test]
fn an_image_that_is_looked_at_is_harvested_and_kept() {
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| fs::write(dir.join("a.dmp"), dump_bytes(5000)).unwrap());
    let harvest =
        || world.hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()]);
    let device = ReadOnly::attach(&image);
    let run = harvest().expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", run.story());
    assert!(run.stderr().contains(&format!("is still attached to {}", device.0)), "{}", run.story());
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
    let device = ReadOnly::attach(&image);
    let path = PathBuf::from(&device.0);
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
