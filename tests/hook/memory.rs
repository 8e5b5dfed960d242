//! Images in memory: the disk gets the dumps, and the image itself only when it cannot be harvested.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::identity::{Pin, pid};
use crate::images::{dump_bytes, whole_dump};
use crate::running::Going;
use crate::support::hook_world::{Bundle, HookWorld};
use crate::support::host::{command, files_below, files_in, mounts_below, wait_until};
use crate::support::test_runtimes::runtimes;

/// The setting that puts images into memory.
pub(crate) const MEMORY: &str = "image_backing = \"memory\"\n";

/// A world whose images lie in memory, with `more` settings.
pub(crate) fn world(runtime: &'static str, more: &str) -> HookWorld {
    let world = HookWorld::new(runtime);
    world.settings(&format!("{MEMORY}{more}"));
    world
}

/// A bundle whose program leaves a dump `NAME.dmp` of 5000 bytes.
fn dumping(world: &HookWorld, name: &str) -> Bundle {
    world.bundle(name, &["write", &format!("{name}.dmp"), "5000", "none"])
}

/// Makes the destination one that takes nothing.
fn refuse(world: &HookWorld) {
    symlink("/tmp", world.dumps_dir()).unwrap();
}

/// Makes it as good as before.
fn accept(world: &HookWorld) {
    fs::remove_file(world.dumps_dir()).unwrap();
}

fn assert_dump(world: &HookWorld, name: &str) {
    let bytes = fs::read(world.dumps_dir().join(format!("{name}.dmp"))).unwrap_or_default();
    assert!(bytes == dump_bytes(5000), "{name}\n{}", world.log());
}

fn attribute(path: &Path, name: &str) -> String {
    let mut value = vec![0; 4096];
    let length = rustix::fs::getxattr(path, format!("user.oci-minidump.{name}"), &mut value).unwrap();
    String::from_utf8(value[..length].to_vec()).unwrap()
}

#[test]
fn the_disk_gets_the_dumps_and_no_image() {
    for runtime in runtimes() {
        let world = world(runtime, "");
        let quiet = world.bundle("quiet", &["none"]);
        let loud = dumping(&world, "loud");
        for (bundle, name) in [(&quiet, "quiet"), (&loud, "loud")] {
            world.create(bundle, name).expect(0);
        }
        let [images, memory] = [world.path("images"), world.memory_dir()].map(|dir| files_below(&dir));
        let mut expected = ["loud", "quiet"].map(|name| world.memory_image(name));
        expected.sort();
        assert_eq!((images, memory), (Vec::new(), expected.to_vec()), "{}", world.log());
        let root = fs::metadata(world.memory_dir()).unwrap();
        assert_eq!((root.permissions().mode() & 0o7777, root.uid()), (0o700, 0));
        // All of it is there: later, a page would be charged to another group.
        let image = fs::metadata(world.memory_image("quiet")).unwrap();
        assert!(image.blocks() * 512 >= image.len(), "{image:?}");
        for name in ["quiet", "loud"] {
            world.control(&["start"], name, &[]).expect(0);
            crate::cycle::wait_until_stopped(&world, name);
            world.control(&["delete"], name, &[]).expect(0);
        }
        assert_dump(&world, "loud");
        assert_eq!(world.dumps().len(), 1);
        assert_eq!(files_below(&world.memory_dir()), Vec::<PathBuf>::new(), "{}", world.log());
    }
}

#[test]
fn what_cannot_be_harvested_is_written_to_the_disk_with_its_mark() {
    for runtime in runtimes() {
        let world = world(runtime, "");
        let bundle = dumping(&world, "app");
        refuse(&world);
        let run = world.run(&bundle, "c").expect(0);
        let image = world.image("app");
        assert!(image.exists() && files_below(&world.memory_dir()).is_empty(), "{}", run.story());
        assert!(world.log().contains("is on the disk now, as"), "{}", run.story());
        assert_eq!(attribute(&image, "container"), world.id("c"));
        assert_eq!(attribute(&image, "destination"), world.dumps_dir().to_str().unwrap());
        let metadata = fs::metadata(&image).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o7777, metadata.len()), (0o600, 8 << 20));
        accept(&world);
        // The next start harvests it, and has its own image in memory.
        bundle.edit(|config| config["process"]["args"] = json!(["/crasher", "/opt/minidumps", "none"]));
        world.run(&bundle, "d").expect(0);
        assert_dump(&world, "app");
        assert!(!image.exists(), "{}", world.log());
        world.hook_with_input(&["poststop"], &world.stopped_state(&bundle, "c")).expect(0);
    }
}

#[test]
fn after_a_reboot_an_image_that_was_written_to_the_disk_is_harvested() {
    let world = world("crun", "");
    let bundle = dumping(&world, "app");
    refuse(&world);
    world.run(&bundle, "c").expect(0);
    accept(&world);
    // A reboot empties the memory.
    command("umount", &["--lazy".as_ref(), world.memory_dir().as_ref()]);
    for path in files_in(&world.path("records")).iter().filter(|path| path.is_file()) {
        fs::remove_file(path).unwrap();
    }
    let swept = sweep(&world, 0);
    assert_eq!(swept["harvested"][0]["path"], json!(world.image("app")), "{swept}");
    assert_eq!(swept["harvested"][0]["container"], world.id("c"), "{swept}");
    assert_dump(&world, "app");
    drop(bundle);
}

fn sweep(world: &HookWorld, code: i32) -> Value {
    let run = world.hook(&["sweep", "--json"]).expect(code);
    serde_json::from_str(&run.stdout()).unwrap_or_else(|error| panic!("{error}: {}", run.story()))
}

/// A container that has ended and whose poststop never comes.
fn ended(world: &HookWorld, name: &str) -> Bundle {
    let bundle = dumping(world, name);
    bundle.edit(|config| config["hooks"]["poststop"] = json!([]));
    world.run(&bundle, name).expect(0);
    // The kernel may take a moment to unmount it.
    world.settle();
    assert!(world.memory_image(name).exists(), "{}", world.log());
    bundle
}

#[test]
fn a_sweep_harvests_what_is_in_memory_or_saves_it() {
    let world = world("crun", "");
    ended(&world, "one");
    // A sweep finds it without its record, too.
    for path in files_in(&world.path("records")).iter().filter(|path| path.is_file()) {
        fs::remove_file(path).unwrap();
    }
    ended(&world, "two");
    let running = world.bundle("running", &["sleep", "100"]);
    world.create(&running, "running").expect(0);
    refuse(&world);
    let swept = sweep(&world, 1);
    assert_eq!(swept["failures"].as_array().unwrap().len(), 2, "{swept}");
    assert_eq!(swept["in_use"], json!([world.memory_image("running")]), "{swept}");
    assert!(world.image("one").exists() && world.image("two").exists(), "{swept}");
    assert_eq!(files_below(&world.memory_dir()), [world.memory_image("running")], "{swept}");
    accept(&world);
    assert_eq!(sweep(&world, 0)["harvested"].as_array().unwrap().len(), 2);
    for name in ["one", "two"] {
        assert_dump(&world, name);
    }
}

#[test]
fn memory_that_is_full_costs_no_start() {
    for runtime in runtimes() {
        // Room for one.
        let world = world(runtime, "memory_size = \"12M\"\n");
        let [one, two] = ["one", "two"].map(|name| dumping(&world, name));
        world.create(&one, "one").expect(0);
        world.create(&two, "two").expect(0);
        assert!(world.memory_image("one").exists() && world.image("two").exists(), "{}", world.log());
        assert!(world.log().contains("its image lies on the disk"), "{}", world.log());
        for name in ["one", "two"] {
            world.control(&["start"], name, &[]).expect(0);
            crate::cycle::wait_until_stopped(&world, name);
            world.control(&["delete"], name, &[]).expect(0);
            assert_dump(&world, name);
        }
    }
}

#[test]
fn an_image_in_memory_is_in_use_for_every_backing() {
    let world = world("crun", "bundles_choose_backing = true\n");
    let [one, two] = ["one", "two"].map(|name| world.bundle(name, &["none"]));
    world.create(&one, "one").expect(0);
    let entry = |backing: &str| {
        let mut entry = world.entry("one");
        entry["imageBacking"] = json!(backing);
        json!([entry])
    };
    for backing in ["memory", "disk"] {
        two.set_paths(&entry(backing));
        world.create(&two, "two").fails_with("is in use: it is attached to");
    }
    world.control(&["delete", "--force"], "one", &[]).expect(0);
    two.set_paths(&entry("disk"));
    world.create(&two, "two").expect(0);
    one.set_paths(&entry("memory"));
    world.create(&one, "one").fails_with("is in use: it is attached to");
    world.control(&["delete", "--force"], "two", &[]).expect(0);
}

#[test]
fn a_bundle_chooses_only_where_the_administrator_lets_it() {
    for (settings, asked, in_memory) in [
        ("", "memory", false),
        ("bundles_choose_backing = true\n", "memory", true),
        (MEMORY, "disk", true),
        ("image_backing = \"memory\"\nbundles_choose_backing = true\n", "disk", false),
    ] {
        let world = HookWorld::new("crun");
        world.settings(settings);
        let bundle = world.bundle("app", &["none"]);
        let mut entry = world.entry("app");
        entry["imageBacking"] = json!(asked);
        bundle.set_paths(&json!([entry]));
        let said = world.hook(&["check", bundle.dir.to_str().unwrap()]).stdout();
        assert_eq!(said.contains("in memory; here only if"), in_memory, "{said}");
        world.create(&bundle, "c").expect(0);
        let places = (world.memory_image("app").exists(), world.image("app").exists());
        assert_eq!(places, (in_memory, !in_memory), "{settings} {asked}\n{}", world.log());
        world.control(&["delete", "--force"], "c", &[]).expect(0);
        // The annotation says the same.
        bundle.edit(|config| {
            config["rdkPlugins"] = json!({});
            config["annotations"] =
                json!({"org.rdk.minidump": "/opt/minidumps", "org.rdk.minidump.imageBacking": asked});
        });
        world.create(&bundle, "d").expect(0);
        let image = world.path("images").join(format!("{}.img", world.id("d")));
        assert_eq!(image.exists(), !in_memory, "{settings} {asked}\n{}", world.log());
        world.control(&["delete", "--force"], "d", &[]).expect(0);
    }
}

/// Something in the host holds the mount: the image waits in memory as long as that is so, and no container waits for it.
#[test]
fn an_image_that_is_held_stays_in_memory_until_it_is_released() {
    let world = world("crun", "");
    let bundle = world.bundle("app", &["write", "a.dmp", "5000", "sleep", "100"]);
    refuse(&world);
    world.create(&bundle, "c").expect(0);
    world.control(&["start"], "c", &[]).expect(0);
    let shell = Pin::new(pid(&world, "c"), &["sleep", "1000"]);
    let dump = shell.directory().join("a.dmp");
    wait_until(|| fs::metadata(&dump).is_ok_and(|metadata| metadata.len() == 5000));
    world.control(&["delete", "--force"], "c", &[]).expect(0);
    assert!(world.memory_image("app").exists() && !world.image("app").exists(), "{}", world.log());
    bundle.edit(|config| config["process"]["args"] = json!(["/crasher", "/opt/minidumps", "none"]));
    world.run(&bundle, "d").expect(0);
    let waiting = files_below(&world.memory_dir());
    assert!(waiting.len() == 1 && waiting[0].to_str().unwrap().contains(".aside-"), "{}", world.log());
    drop(shell);
    // Released, it cannot be harvested, and goes to the disk by the name that it waits under.
    world.settle();
    sweep(&world, 1);
    let disk = files_in(&world.path("images"));
    assert!(files_below(&world.memory_dir()).is_empty(), "{}", world.log());
    assert_eq!(disk.iter().map(|path| path.file_name()).collect::<Vec<_>>(), [waiting[0].file_name()]);
    accept(&world);
    sweep(&world, 0);
    assert_eq!(world.dumps().len(), 1, "{}", world.log());
}

#[test]
fn a_damaged_image_goes_to_the_disk_for_a_person() {
    let world = world("crun", "");
    ended(&world, "app");
    // The kernel has seen errors in it.
    let image = world.memory_image("app");
    command("debugfs", &["-w", "-R", "ssv state 2", image.to_str().unwrap()].map(AsRef::as_ref));
    let swept = sweep(&world, 0);
    assert_eq!(swept["harvested"][0]["image"], "aside", "{swept}");
    assert_dump(&world, "app");
    let kept = world.path("images").join("app.img.damaged1");
    assert!(kept.exists() && files_below(&world.memory_dir()).is_empty(), "{swept}");
    fs::remove_file(kept).unwrap();
}

/// In another mount namespace than the host's nothing is mounted: the images go to the disk. And what cannot be seen there
/// is left to the host.
#[test]
fn another_mount_namespace_neither_mounts_the_memory_nor_gives_images_up() {
    let world = world("crun", "");
    let bundle = dumping(&world, "app");
    world.in_own_namespace(|| {
        world.create(&bundle, "one").expect(0);
        assert!(world.image("app").exists(), "{}", world.log());
        assert!(world.log().contains("this is not the host's mount namespace"), "{}", world.log());
        world.control(&["delete", "--force"], "one", &[]).expect(0);
        assert_eq!(mounts_below(&world.memory_dir()), Vec::<PathBuf>::new());
    });
    ended(&world, "two");
    world.in_own_namespace(|| {
        command("umount", &["--lazy".as_ref(), world.memory_dir().as_ref()]);
        let swept = sweep(&world, 0);
        assert_eq!(swept["in_use"], json!([world.memory_image("two")]), "{swept}");
    });
    assert_eq!(sweep(&world, 0)["harvested"].as_array().unwrap().len(), 1);
    assert_dump(&world, "two");
}

#[test]
fn a_configuration_names_no_image_in_memory() {
    let world = world("crun", "");
    let bundle = world.bundle("app", &["none"]);
    let entry = world.entry("app");
    for (key, place) in
        [("image", world.memory_image("app")), ("hostDestination", world.memory_dir().join("dumps"))]
    {
        let mut entry = entry.clone();
        entry[key] = json!(place);
        bundle.set_paths(&json!([entry]));
        world.run(&bundle, "c").fails_with("lies where images in memory are");
        let checked = world.hook(&["check", bundle.dir.to_str().unwrap()]);
        assert!(checked.stdout().contains("lies where images in memory are"), "{}", checked.story());
    }
}

/// Where a directory for the memory cannot be, an image lies on the disk, and `check` says so.
#[test]
fn what_lies_in_the_way_of_the_memory_costs_no_start() {
    let world = world("crun", "");
    let bundle = dumping(&world, "app");
    let memory = world.memory_dir();
    let check = || world.hook(&["check", bundle.dir.to_str().unwrap()]).stdout();
    assert!(check().contains(", in memory; here only"), "{}", check());
    let ways: [fn(&Path); 3] = [
        |memory| fs::write(memory, "").unwrap(),
        |memory| symlink("/tmp", memory).unwrap(),
        |memory| {
            fs::create_dir(memory).unwrap();
            fs::set_permissions(memory, fs::Permissions::from_mode(0o777)).unwrap();
        },
    ];
    for put in ways {
        put(&memory);
        assert!(check().contains(", on the disk: "), "{}", check());
        world.run(&bundle, "c").expect(0);
        assert_dump(&world, "app");
        sweep(&world, 0);
        fs::remove_file(world.dumps_dir().join("app.dmp")).unwrap();
        fs::remove_file(&memory).or_else(|_| fs::remove_dir(&memory)).unwrap();
    }
}

/// A person names the image as the configuration does.
#[test]
fn an_image_in_memory_is_harvested_by_hand() {
    let world = world("crun", "");
    let bundle = ended(&world, "app");
    let checked = world.hook(&["check", bundle.dir.to_str().unwrap()]);
    assert!(checked.stdout().contains(world.memory_image("app").to_str().unwrap()), "{}", checked.story());
    let to = world.dumps_dir();
    world.hook(&["harvest", world.image("app").to_str().unwrap(), "--to", to.to_str().unwrap()]).expect(0);
    assert_dump(&world, "app");
    sweep(&world, 0);
}

/// Something else is mounted over the images: a record of an image that cannot be seen stays, with the image.
#[test]
fn a_mount_over_the_memory_hides_images_and_costs_none() {
    let world = world("crun", "");
    let bundle = dumping(&world, "app");
    world.create(&bundle, "c").expect(0);
    world.control(&["start"], "c", &[]).expect(0);
    crate::cycle::wait_until_stopped(&world, "c");
    let over = world.memory_dir();
    command("mount", &["-t".as_ref(), "tmpfs".as_ref(), "over".as_ref(), over.as_ref()]);
    world.control(&["delete"], "c", &[]).expect(0);
    assert!(world.log().contains("app.img cannot be seen: another file system"), "{}", world.log());
    let swept = sweep(&world, 0);
    let records = || files_in(&world.path("records")).iter().filter(|path| path.is_file()).count();
    assert_eq!((&swept["in_use"], records()), (&json!([world.memory_image("app")]), 1), "{swept}");
    command("umount", &[over.as_ref()]);
    assert_eq!(sweep(&world, 0)["harvested"].as_array().unwrap().len(), 1);
    assert_dump(&world, "app");
    assert_eq!(records(), 0);
}

/// On kernels before 6.6, a tmpfs takes no attributes of ours.
#[test]
fn an_image_in_memory_needs_no_attributes() {
    let world = world("crun", "").without("fsetxattr");
    let bundle = dumping(&world, "app");
    refuse(&world);
    world.run(&bundle, "c").expect(0);
    assert!(world.image("app").exists(), "{}", world.log());
    accept(&world);
    sweep(&world, 0);
    assert_dump(&world, "app");
}

#[test]
fn dumps_of_a_container_that_goes_on_come_out_of_the_memory() {
    let mut going = Going::of(world("crun", ""));
    let image = going.world.memory_image("app");
    going.write("a.dmp", &whole_dump(9000));
    going.harvest().expect(0);
    assert!(fs::read(going.world.dump()).unwrap() == whole_dump(9000), "{}", going.world.log());
    assert!(going.names().is_empty() && image.exists(), "{}", going.world.log());
    going.end();
    assert!(!image.exists(), "{}", going.world.log());
}

/// Starts at the same time mount one file system.
#[test]
fn starts_at_once_share_one_file_system() {
    let world = world("crun", "");
    let bundles: Vec<Bundle> = (0..4).map(|n| dumping(&world, &format!("app{n}"))).collect();
    std::thread::scope(|scope| {
        for (n, bundle) in bundles.iter().enumerate() {
            let world = &world;
            scope.spawn(move || world.run(bundle, &format!("c{n}")).expect(0));
        }
    });
    assert_eq!(mounts_below(&world.memory_dir()), [world.memory_dir()]);
    (0..4).for_each(|n| assert_dump(&world, &format!("app{n}")));
}
