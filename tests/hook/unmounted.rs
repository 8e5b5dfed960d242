//! Destinations on a file system that is mounted when the container starts, and not when it is harvested: the dumps would go
//! where nothing finds them once it is mounted again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::images::{dump_bytes, whole_dump};
use crate::running::Going;
use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::{command, files_in};
use crate::support::test_runtimes::runtimes;

/// What is mounted in a world, and how.
struct Disk<'w> {
    world: &'w HookWorld,
    point: PathBuf,
}

impl<'w> Disk<'w> {
    fn new(world: &'w HookWorld) -> Self {
        let point = world.path("disk");
        fs::create_dir(&point).unwrap();
        let disk = Self { world, point };
        disk.mount(&["-t", "tmpfs", "tmpfs"]);
        disk
    }

    fn mount(&self, what: &[&str]) {
        let what = what.iter().map(AsRef::as_ref);
        command("mount", &what.chain([self.point.as_ref()]).collect::<Vec<_>>());
    }

    fn unmount(&self) {
        command("umount", &["--lazy".as_ref(), self.point.as_ref()]);
    }

    fn dumps(&self) -> PathBuf {
        self.point.join("dumps")
    }

    /// A bundle whose dumps go there, and that no poststop is for.
    fn bundle(&self, actions: &[&str]) -> Bundle {
        let bundle = self.world.bundle("app", actions);
        bundle.edit(|config| {
            config["hooks"]["poststop"] = json!([]);
            config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = json!(self.dumps());
        });
        bundle
    }

    fn assert_dump(&self, story: &str) {
        let bytes = fs::read(self.dumps().join("a.dmp")).unwrap_or_default();
        assert!(bytes == dump_bytes(5000), "{story}\n{}", self.world.log());
    }
}

const CRASH: [&str; 4] = ["write", "a.dmp", "5000", "none"];

fn reason(point: &Path) -> String {
    format!("{} is not mounted", point.display())
}

#[test]
fn dumps_wait_until_their_destination_is_mounted_again() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let disk = Disk::new(&world);
        let bundle = disk.bundle(&CRASH);
        world.run(&bundle, "c").expect(0);
        disk.unmount();
        let run = world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "c")).expect(0);
        assert!(run.stderr().contains(&reason(&disk.point)), "{}", run.story());
        let swept = world.hook(&["sweep"]).expect(1);
        assert!(swept.stderr().contains(&reason(&disk.point)), "{}", swept.story());
        assert!(world.image("app").exists(), "{}", swept.story());
        // Not even a directory is made in what will be hidden.
        assert_eq!(files_in(&disk.point), Vec::<PathBuf>::new());
        // The next start does not wait for it. After a reboot, only the image is left.
        bundle.edit(|config| config["process"]["args"] = json!(["/crasher", "/opt/minidumps", "none"]));
        world.run(&bundle, "d").expect(0);
        files_in(&world.path("records")).into_iter().for_each(|record| fs::remove_file(record).unwrap());
        assert!(world.hook(&["sweep"]).expect(1).stderr().contains(&reason(&disk.point)));
        assert_eq!(files_in(&disk.point), Vec::<PathBuf>::new());
        // Another file system in the same place is as good.
        disk.mount(&["-t", "tmpfs", "tmpfs"]);
        let swept = world.hook(&["sweep"]).expect(0);
        disk.assert_dump(&swept.story());
        disk.unmount();
    }
}

/// Where the file system of the image keeps no attributes, the record knows.
#[test]
fn the_record_knows_of_the_mount_too() {
    let world = HookWorld::new("crun");
    let disk = Disk::new(&world);
    let bundle = disk.bundle(&CRASH);
    world.run(&bundle, "c").expect(0);
    world.settle();
    for name in ["container", "destination", "mount"] {
        rustix::fs::removexattr(world.image("app"), format!("user.oci-minidump.{name}")).unwrap();
    }
    disk.unmount();
    let run = world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "c")).expect(0);
    assert!(run.stderr().contains(&reason(&disk.point)) && world.image("app").exists(), "{}", run.story());
    disk.mount(&["-t", "tmpfs", "tmpfs"]);
    world.hook(&["sweep"]).expect(0);
    disk.assert_dump(&run.story());
    disk.unmount();
}

#[test]
fn dumps_of_a_container_that_runs_stay_in_it_meanwhile() {
    let world = HookWorld::new("crun");
    let point = world.dumps_dir();
    let mount = || command("mount", &["-t", "tmpfs", "tmpfs", point.to_str().unwrap()].map(AsRef::as_ref));
    let unmount = || command("umount", &["--lazy".as_ref(), point.as_ref()]);
    fs::create_dir(&point).unwrap();
    mount();
    let mut going = Going::of(world);
    going.write("a.dmp", &whole_dump(5000));
    unmount();
    let run = going.harvest().expect(1);
    assert!(run.stderr().contains(&reason(&point)), "{}", run.story());
    assert_eq!((going.names(), files_in(&point)), (vec!["a.dmp".to_owned()], Vec::new()));
    mount();
    going.harvest().expect(0);
    assert_eq!(going.names(), Vec::<String>::new());
    going.end();
    assert!(fs::read(point.join("a.dmp")).unwrap() == whole_dump(5000), "{}", going.world.log());
    unmount();
}

/// A service sees its writable directories as mounts of themselves. Elsewhere they are none.
#[test]
fn a_mount_that_hides_nothing_is_not_waited_for() {
    let world = HookWorld::new("crun");
    let disk = Disk::new(&world);
    disk.unmount();
    let bundle = disk.bundle(&CRASH);
    disk.mount(&["--bind", disk.point.to_str().unwrap()]);
    world.run(&bundle, "c").expect(0);
    disk.unmount();
    let swept = world.hook(&["sweep"]).expect(0);
    disk.assert_dump(&swept.story());
}

/// A person decides where dumps go.
#[test]
fn a_harvest_by_hand_goes_anywhere() {
    let world = HookWorld::new("crun");
    let disk = Disk::new(&world);
    world.run(&disk.bundle(&CRASH), "c").expect(0);
    disk.unmount();
    world.settle();
    let run = crate::images::harvest(&world, &world.image("app")).expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{}", run.story());
    world.hook(&["sweep"]).expect(0);
}
