//! What a hostile container leaves in its image: nothing escapes, nothing hangs, and the dump beside it is harvested.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

use oci_minidump::deadline::Deadline;
use oci_minidump::error::ErrorKind;
use oci_minidump::image::read::files::ImageFiles;
use oci_minidump::image::read::user_space::UserSpace;
use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{dump_bytes, image};
use crate::support::hook_world::HookWorld;
use crate::support::host::command;

/// What is put into the image as `x.dmp` (or beside it), and what is said about it.
type Trap = (&'static str, fn(&Path), &'static str);

const TRAPS: [Trap; 10] = [
    ("absolute link", |dir| symlink("/etc/hostname", dir.join("x.dmp")).unwrap(), "it is a symbolic link"),
    (
        "relative link",
        |dir| symlink("../../../../etc/hostname", dir.join("x.dmp")).unwrap(),
        "it is a symbolic link",
    ),
    ("FIFO", |dir| drop(command("mkfifo", &[dir.join("x.dmp").as_ref()])), "it is a FIFO"),
    ("directory", |dir| fs::create_dir(dir.join("x.dmp")).unwrap(), "it is a directory"),
    (
        "device",
        |dir| drop(command("mknod", &[dir.join("x.dmp").as_ref(), "c".as_ref(), "1".as_ref(), "5".as_ref()])),
        "it is a device",
    ),
    (
        "socket",
        |dir| drop(std::os::unix::net::UnixListener::bind(dir.join("x.dmp")).unwrap()),
        "it is a socket",
    ),
    (
        "sparse terabyte",
        |dir| sparse(&dir.join("x.dmp"), 1 << 40),
        "it claims 1099511627776 bytes, more than the image can hold",
    ),
    (
        "empty file",
        |dir| drop(File::create(dir.join("x.dmp")).unwrap()),
        "it has 0 bytes and is not a minidump",
    ),
    ("zeros", |dir| sparse(&dir.join("x.dmp"), 1 << 20), "it has 1048576 bytes and is not a minidump"),
    (
        "text",
        |dir| fs::write(dir.join("x.dmp"), "root:x:0:0:").unwrap(),
        "it has 11 bytes and is not a minidump",
    ),
];

fn sparse(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
}

#[test]
fn only_dumps_are_taken_and_traps_are_named() {
    for (name, trap, reason) in TRAPS {
        let world = HookWorld::new("crun");
        let image = image(&world, DEFAULT_IMGSIZE, |dir| {
            trap(dir);
            fs::write(dir.join("good.dmp"), dump_bytes(5000)).unwrap();
        });
        let run = world
            .hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
            .expect(0);
        assert!(fs::read(world.dump()).unwrap() == dump_bytes(5000), "{name}: {}", run.story());
        assert!(run.stdout().contains(&format!("skipped x.dmp: {reason}")), "{name}: {}", run.story());
        assert!(!image.exists(), "{name}: {}", run.story());
    }
}

#[test]
fn linked_folders_are_not_followed() {
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::create_dir_all(dir.join("1/2/3/too-deep")).unwrap();
        fs::write(dir.join("1/2/3/too-deep/a.dmp"), dump_bytes(100)).unwrap();
        symlink("1/2/3/too-deep", dir.join("new")).unwrap();
        symlink("/", dir.join("pending")).unwrap();
    });
    let run = world
        .hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    assert!(world.dumps().is_empty(), "{}", run.story());
}

/// A file with the head of a dump that claims `size` bytes, last written `age` seconds after a moment.
fn claim(path: &Path, size: u64, age: u64) {
    let file = File::create(path).unwrap();
    std::io::Write::write_all(&mut &file, b"MDMP").unwrap();
    file.set_len(size).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + age)).unwrap();
}

#[test]
fn claims_beyond_the_image_are_harvested_in_turns_and_the_newest_first() {
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| {
        for n in 0..6 {
            claim(&dir.join(format!("{n}.dmp")), DEFAULT_IMGSIZE / 2, n);
        }
    });
    let harvest =
        || world.hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()]);
    // Twice the image is the limit: four of these.
    let run = harvest().expect(1);
    let names = || -> Vec<_> {
        world.dumps().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), ["2.dmp", "3.dmp", "4.dmp", "5.dmp"], "{}", run.story());
    assert!(run.stderr().contains("claim more bytes than the image can hold"), "{}", run.story());
    assert!(image.exists(), "{}", run.story());
    let run = harvest().expect(0);
    assert_eq!(names(), ["0.dmp", "1.dmp", "2.dmp", "3.dmp", "4.dmp", "5.dmp"], "{}", run.story());
    assert!(!image.exists(), "{}", run.story());
    let blocks: u64 = world
        .dumps()
        .iter()
        .map(|path| std::os::unix::fs::MetadataExt::blocks(&fs::metadata(path).unwrap()))
        .sum();
    assert!(blocks * 512 < 1 << 20, "holes were filled: {blocks} blocks");
}

#[test]
fn a_file_that_claims_the_whole_image_keeps_no_dump_from_the_host() {
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::write(dir.join("real.dmp"), dump_bytes(300_000)).unwrap();
        // Of the year 2096, so the newest.
        claim(&dir.join("z.dmp"), 2 * DEFAULT_IMGSIZE, 2_300_000_000);
    });
    let to = world.dumps_dir();
    let harvest = || world.hook(&["harvest", image.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    let run = harvest().expect(1);
    assert!(fs::read(to.join("real.dmp")).unwrap() == dump_bytes(300_000), "{}", run.story());
    assert!(image.exists(), "{}", run.story());
    let run = harvest().expect(0);
    assert!(!image.exists(), "{}", run.story());
}

#[test]
fn hostile_names_are_made_harmless() {
    let names: [&[u8]; 6] =
        [b"-rf.dmp", b"a\nb.dmp", b"\x1b[31m.dmp", b"\xff\xfe.dmp", b".dmp", b"a;b$(c).dmp"];
    let world = HookWorld::new("crun");
    let image = image(&world, DEFAULT_IMGSIZE, |dir| {
        for name in names {
            fs::write(dir.join(OsStr::from_bytes(name)), dump_bytes(100 + name.len())).unwrap();
        }
    });
    let run = world
        .hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    let dumps = world.dumps();
    assert_eq!(dumps.len(), names.len(), "{}", run.story());
    for path in dumps {
        let name = path.file_name().unwrap().as_bytes();
        assert!(name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-. []".contains(byte)), "{path:?}");
        assert!(!name.starts_with(b"-") && !name.starts_with(b"."), "{path:?}");
    }
}

#[test]
fn an_image_that_is_no_plain_file_of_roots_is_refused_as_an_attack() {
    type Setting = (fn(&Path, &HookWorld), &'static str);
    let settings: [Setting; 6] = [
        (|image, _| symlink("/etc/hostname", image).unwrap(), "is a symbolic link"),
        (|image, _| fs::create_dir(image).unwrap(), "is a directory"),
        (|image, _| drop(command("mkfifo", &[image.as_ref()])), "is a FIFO"),
        (
            |image, _| drop(command("mknod", &[image.as_ref(), "c".as_ref(), "1".as_ref(), "5".as_ref()])),
            "is a device",
        ),
        (
            |image, world| {
                fs::write(world.path("other"), dump_bytes(9000)).unwrap();
                fs::hard_link(world.path("other"), image).unwrap();
            },
            "has 2 names (hard links)",
        ),
        (
            |image, _| {
                fs::write(image, "").unwrap();
                std::os::unix::fs::chown(image, Some(1000), None).unwrap();
            },
            "belongs to user 1000",
        ),
    ];
    for (set, reason) in settings {
        let world = HookWorld::new("crun");
        let bundle = world.bundle("app", &["none"]);
        let image = world.image("app");
        set(&image, &world);
        world.run(&bundle, "c").fails_with(reason);
        let run = world
            .hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
            .expect(5);
        assert!(run.stderr().contains(reason), "{}", run.story());
        fs::remove_file(&image).or_else(|_| fs::remove_dir(&image)).unwrap();
    }
}

#[test]
fn a_foreign_file_is_never_overwritten() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    let image = world.image("app");
    fs::write(&image, dump_bytes(200_000)).unwrap();
    world.run(&bundle, "c").fails_with("was not made by this program");
    assert!(fs::read(&image).unwrap() == dump_bytes(200_000));
    // An ext4 image of another program: refused at a start, read by hand, and kept.
    File::create(&image).unwrap().set_len(4 << 20).unwrap();
    command("mke2fs", &["-q".as_ref(), "-F".as_ref(), "-t".as_ref(), "ext4".as_ref(), image.as_ref()]);
    world.with_mounted(&image, |dir| fs::write(dir.join("old.dmp"), dump_bytes(3000)).unwrap());
    world.run(&bundle, "d").fails_with("take the dumps out with 'oci-minidump-hook harvest");
    let run = world
        .hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
        .expect(0);
    assert!(fs::read(world.dump()).unwrap() == dump_bytes(3000) && image.exists(), "{}", run.story());
    fs::remove_file(image).unwrap();
}

#[test]
fn an_image_is_not_made_where_strangers_write() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("app", &["none"]);
    fs::set_permissions(world.path("images"), fs::Permissions::from_mode(0o777)).unwrap();
    world.run(&bundle, "c").fails_with("is writable by everybody and not sticky");
    assert!(!world.image("app").exists());
}

#[test]
fn damage_anywhere_in_an_image_is_survived() {
    let world = HookWorld::new("crun");
    let path = image(&world, 1 << 20, |dir| {
        for n in 0..20 {
            fs::write(dir.join(format!("{n}.dmp")), dump_bytes(20_000)).unwrap();
        }
        sparse(&dir.join("hole.dmp"), 4 << 30);
    });
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let scratch = world.path("scratch");
    let copy = File::options().create_new(true).read(true).write(true).open(&scratch).unwrap();
    let mut seed = 1_u64;
    let mut dice = move |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % end
    };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..=dice(8) {
            // Most of what matters lies at the beginning.
            let at = if dice(3) == 0 { dice(bytes.len()) } else { 1024 + dice(60_000) };
            bytes[at] = u8::try_from(dice(256)).unwrap();
        }
        copy.write_all_at(&bytes, 0).unwrap();
        match UserSpace::open(&copy).and_then(|mut files| files.list(Deadline::NONE)) {
            Ok(listing) => {
                assert!(listing.candidates.len() <= 64, "there are only so many inodes");
                read += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.report());
                refused += 1;
            }
        }
    }
    assert!(read > 20 && refused > 20, "{read} read, {refused} refused");
}
