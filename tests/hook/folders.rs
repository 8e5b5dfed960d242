//! Dumps in directories of an image, and what lies beside them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::files_in;
use crate::support::run::Run;
use crate::support::test_runtimes::runtimes;

/// Makes an image, and harvests it by hand.
fn make_and_harvest(world: &HookWorld, fill: impl FnOnce(&Path) + Send) -> Run {
    harvest(world, &image(world, DEFAULT_IMGSIZE, fill)).expect(0)
}

/// The names in the destination.
fn names(world: &HookWorld) -> Vec<String> {
    let names = world.dumps().into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.collect()
}

/// The value of a mark of a file.
fn mark(path: &Path, name: &str) -> String {
    let mut value = [0; 256];
    let length = rustix::fs::lgetxattr(path, format!("user.oci-minidump.{name}"), &mut value[..]).unwrap();
    String::from_utf8(value[..length].to_vec()).unwrap()
}

#[test]
fn dumps_are_found_three_directories_deep() {
    let world = HookWorld::new("crun");
    let dirs = ["", "new", "pending", "completed", "attachments", "renderer/pending", "1/2/3", "x.dmp"];
    let run = make_and_harvest(&world, |dir| {
        for (n, part) in dirs.iter().enumerate() {
            fs::create_dir_all(dir.join(part)).unwrap();
            fs::write(dir.join(part).join(format!("{n}.dmp")), whole_dump(100 + n)).unwrap();
        }
        fs::create_dir_all(dir.join("1/2/3/4")).unwrap();
        fs::write(dir.join("1/2/3/4/deep.dmp"), whole_dump(500)).unwrap();
    });
    let expected: Vec<String> = (0..dirs.len()).map(|n| format!("{n}.dmp")).collect();
    assert_eq!(names(&world), expected, "{}", run.story());
    for (n, path) in world.dumps().iter().enumerate() {
        assert!(fs::read(path).unwrap() == whole_dump(100 + n), "{}", path.display());
    }
    assert!(run.stderr().contains("1 other file (1/2/3/4/) goes with the image"), "{}", run.story());
}

#[test]
fn what_goes_with_the_image_is_said_in_one_line() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let files = ["core.123", "settings.dat", "core.124", "core.125", "core.126", "core.127"];
        let words = files.iter().flat_map(|name| ["write", name, "300"]);
        let actions: Vec<&str> = words.chain(["write", "a.dmp", "5000", "none"]).collect();
        let bundle = world.bundle("app", &actions);
        world.run(&bundle, "c").expect(0);
        let line = "6 other files (core.123, core.124, core.125, core.126, core.127, ...) go with the image";
        let log = world.log();
        assert!(log.contains(line) && log.matches("core.123").count() == 1, "{log}");
        assert!(!log.contains("left"), "{log}");
    }
}

#[test]
fn what_lies_in_an_image_that_stays_is_not_said_to_go() {
    let world = HookWorld::new("crun");
    fs::write(world.dumps_dir(), "in the way").unwrap();
    let image = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::write(dir.join("core.123"), "x").unwrap();
        fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap();
    });
    let run = harvest(&world, &image).expect(4);
    assert!(!run.stderr().contains("core.123") && image.exists(), "{}", run.story());
    fs::remove_file(world.dumps_dir()).unwrap();
    let run = harvest(&world, &image).expect(0);
    assert!(run.stderr().contains("1 other file (core.123) goes with the image"), "{}", run.story());
}

/// Odd names cannot forge lines, and links of dumps are no other files.
#[test]
fn odd_files_are_named_as_what_they_are() {
    let world = HookWorld::new("crun");
    let run = make_and_harvest(&world, |dir| {
        fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap();
        fs::hard_link(dir.join("a.dmp"), dir.join("a.copy")).unwrap();
        fs::write(dir.join(OsStr::from_bytes(b"\xff\nerror: forged")), "x").unwrap();
        symlink("/etc/passwd", dir.join("link")).unwrap();
        fs::create_dir(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/lonely.meta"), "metadata without a dump").unwrap();
    });
    let line = "3 other files (link, sub/lonely.meta, \u{fffd}\\nerror: forged) go with the image";
    assert!(run.stderr().contains(line), "{}", run.story());
    assert_eq!(names(&world), ["a.dmp"]);
}

#[test]
fn metadata_is_published_beside_its_dump() {
    let world = HookWorld::new("crun");
    world.settings("mode = \"0640\"\ngroup = 4242\n");
    fs::create_dir(world.dumps_dir()).unwrap();
    fs::write(world.dumps_dir().join("taken.dmp"), "another's").unwrap();
    fs::write(world.dumps_dir().join("meta-taken.meta"), "another's").unwrap();
    let dumps: [&[u8]; 4] = [b"6e3f0a3c", b"taken", b"meta-taken", b"-\xff"];
    let run = make_and_harvest(&world, |dir| {
        fs::create_dir_all(dir.join("web/pending")).unwrap();
        for stem in dumps {
            let path = |ending: &str| {
                dir.join("web/pending").join(OsStr::from_bytes(&[stem, ending.as_bytes()].concat()))
            };
            fs::write(path(".dmp"), whole_dump(5000 + stem.len())).unwrap();
            fs::write(path(".meta"), [b"metadata of ", stem].concat()).unwrap();
        }
        // One that lies elsewhere is not that dump's.
        fs::write(dir.join("web/6e3f0a3c.meta"), "of another database").unwrap();
        fs::write(dir.join("large.dmp"), whole_dump(9000)).unwrap();
        fs::write(dir.join("large.meta"), vec![b'x'; 70_000]).unwrap();
    });
    let dir = world.dumps_dir();
    let harmless = names(&world).into_iter().find(|name| name.starts_with("_-_-")).unwrap();
    let stems = ["6e3f0a3c", "taken-2", "meta-taken-2", harmless.trim_end_matches(".dmp")];
    for (stem, raw) in stems.into_iter().zip(dumps) {
        let (dump, meta) = (dir.join(format!("{stem}.dmp")), dir.join(format!("{stem}.meta")));
        assert!(fs::read(&dump).unwrap() == whole_dump(5000 + raw.len()), "{stem}: {}", run.story());
        assert!(fs::read(&meta).unwrap() == [b"metadata of ", raw].concat(), "{stem}: {}", run.story());
        let [dump, meta] = [dump, meta].map(|path| {
            let metadata = fs::metadata(&path).unwrap();
            let gid = std::os::unix::fs::MetadataExt::gid(&metadata);
            (metadata.permissions().mode() & 0o7777, gid, mark(&path, "container"), mark(&path, "time"))
        });
        assert_eq!((dump.0, dump.1), (0o640, 4242), "{stem}");
        assert_eq!(dump, meta, "{stem}");
    }
    assert_eq!(fs::read(dir.join("taken.dmp")).unwrap(), b"another's");
    assert_eq!(fs::read(dir.join("meta-taken.meta")).unwrap(), b"another's");
    assert!(dir.join("large.dmp").exists() && !dir.join("large.meta").exists(), "{}", run.story());
    let line = "skipped large.meta: it claims 70000 bytes, too many for metadata of a dump";
    assert!(run.stderr().contains(line), "{}", run.story());
    assert!(run.stderr().contains("1 other file (web/6e3f0a3c.meta) goes"), "{}", run.story());
}

#[test]
fn metadata_comes_once_and_what_was_published_first_stays() {
    let world = HookWorld::new("crun");
    for (round, words) in ["first", "first", "second"].into_iter().enumerate() {
        let run = make_and_harvest(&world, |dir| {
            fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap();
            fs::write(dir.join("a.meta"), words).unwrap();
        });
        assert_eq!(names(&world), ["a.dmp", "a.meta"], "{round}: {}", run.story());
        assert_eq!(fs::read(world.dumps_dir().join("a.meta")).unwrap(), b"first", "{round}");
    }
    // Killed between the two names, a hook leaves the dump alone.
    fs::remove_file(world.dumps_dir().join("a.meta")).unwrap();
    make_and_harvest(&world, |dir| {
        fs::write(dir.join("a.dmp"), whole_dump(5000)).unwrap();
        fs::write(dir.join("a.meta"), "third").unwrap();
    });
    assert_eq!(fs::read(world.dumps_dir().join("a.meta")).unwrap(), b"third");
    assert!(files_in(&world.dumps_dir()).len() == 2);
}
