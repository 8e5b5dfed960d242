//! Many dumps in an image that stays, since one of them cannot be published: each of the others comes once.

use std::fs::{self, File};
use std::path::PathBuf;

use oci_minidump::harvest::name::{fnv1a, hashed, numbered};
use oci_minidump::image::mark::Mark;
use oci_minidump::oci::subject::Subject;
use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{harvest, image, whole_dump};
use crate::support::hook_world::HookWorld;
use crate::support::host::files_in;

/// Other files have every name that a dump could get.
fn take_names(world: &HookWorld, name: &str, dump: &[u8]) -> Vec<PathBuf> {
    let hashed = hashed(name, fnv1a(dump));
    let names = (1..=16).flat_map(|number| [numbered(name, number), numbered(&hashed, number)]);
    let paths: Vec<PathBuf> = names.map(|name| world.dumps_dir().join(name)).collect();
    fs::create_dir_all(world.dumps_dir()).unwrap();
    paths.iter().for_each(|path| fs::write(path, "taken").unwrap());
    paths
}

#[test]
fn a_dump_without_a_free_name_keeps_its_image() {
    let world = HookWorld::new("crun");
    let taken = take_names(&world, "core.dmp", &whole_dump(5000));
    let made = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::write(dir.join("core.dmp"), whole_dump(5000)).unwrap();
        fs::write(dir.join("other.dmp"), whole_dump(6000)).unwrap();
    });
    for _again in 0..2 {
        let run = harvest(&world, &made).expect(7);
        assert!(run.stderr().contains("all names for core.dmp are taken"), "{}", run.story());
        assert!(made.exists(), "{}", run.story());
        assert!(fs::read(world.dumps_dir().join("other.dmp")).unwrap() == whole_dump(6000));
        assert_eq!(world.dumps().len(), taken.len() + 1, "{}", run.story());
        assert!(taken.iter().all(|path| fs::read(path).unwrap() == b"taken"), "{}", run.story());
    }
    fs::remove_file(taken.last().unwrap()).unwrap();
    let run = harvest(&world, &made).expect(0);
    assert!(fs::read(taken.last().unwrap()).unwrap() == whole_dump(5000), "{}", run.story());
    assert!(!made.exists(), "{}", run.story());
}

/// As many as an image of ours can hold, while an uploader takes all that come.
#[test]
fn an_image_that_stays_gives_each_of_many_dumps_once() {
    let world = HookWorld::new("crun");
    let made = image(&world, DEFAULT_IMGSIZE, |dir| {
        fs::write(dir.join("stuck.dmp"), whole_dump(5000)).unwrap();
        for number in 0.. {
            // Until there are no inodes left.
            let Ok(file) = File::create(dir.join(format!("{number}.dmp"))) else { break };
            std::io::Write::write_all(&mut &file, &whole_dump(600 + number)).unwrap();
        }
    });
    // What else is noted on an image takes room, too.
    let mark = Mark {
        container: Some("c".repeat(64)),
        destination: Some(format!("/{}", "d".repeat(100)).into()),
        mount: Some("/mnt/usb".into()),
        subject: Some(Subject { bundle: Some("/b".repeat(40)), ..Subject::default() }),
        ..Mark::default()
    };
    mark.write(&File::open(&made).unwrap());
    let taken = take_names(&world, "stuck.dmp", &whole_dump(5000));
    let run = harvest(&world, &made).expect(7);
    let dumps = world.dumps().len() - taken.len();
    assert!(dumps > 480, "{dumps}: {}", run.story());
    for path in files_in(&world.dumps_dir()).iter().filter(|path| !taken.contains(path)) {
        fs::remove_file(path).unwrap();
    }
    for _again in 0..2 {
        let run = harvest(&world, &made).expect(7);
        assert_eq!(world.dumps().len(), taken.len(), "{}", run.story());
    }
    fs::remove_file(&taken[0]).unwrap();
    let run = harvest(&world, &made).expect(0);
    assert_eq!(world.dumps().len(), taken.len(), "{}", run.story());
    assert!(fs::read(&taken[0]).unwrap() == whole_dump(5000), "{}", run.story());
}
