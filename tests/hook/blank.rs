//! Files that hold nothing but zeros where images lie: ours, as an interrupted creation leaves them, or of others.

use std::fs::{self, File};
use std::path::Path;

use oci_minidump::image::mark::Mark;
use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::support::hook_world::HookWorld;
use crate::support::run::Run;

/// Ways in which a file may be removed.
type Remover = fn(&HookWorld, &Path) -> Run;

const REMOVERS: [Remover; 3] = [
    |world, image| {
        world.hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
    },
    |world, _| world.hook(&["sweep"]),
    |world, _| world.run(&world.bundle("app", &["none"]), "c"),
];

fn zeros(path: &Path, size: u64) -> File {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    file
}

#[test]
fn a_file_of_zeros_that_nothing_says_is_ours_stays() {
    for size in [0, 4096, DEFAULT_IMGSIZE] {
        let world = HookWorld::new("crun");
        let image = world.image("app");
        drop(zeros(&image, size));
        for remove in REMOVERS {
            let run = remove(&world, &image);
            assert_eq!(fs::metadata(&image).map(|file| file.len()).ok(), Some(size), "{}", run.story());
        }
        assert!(world.log().contains("was not made by this program"), "{}", world.log());
        fs::remove_file(image).unwrap();
    }
}

#[test]
fn what_an_interrupted_creation_leaves_goes() {
    for size in [0, DEFAULT_IMGSIZE] {
        for remove in REMOVERS {
            let world = HookWorld::new("crun");
            let image = world.image("app");
            let mark = Mark { container: Some("earlier".to_owned()), ..Mark::default() };
            mark.write(&zeros(&image, size));
            let run = remove(&world, &image).expect(0);
            assert!(!image.exists() && world.dumps().is_empty(), "{size}: {}", run.story());
        }
    }
}

/// The names that a creation and a repair have for a moment may not be an image's: the next one removes what has them.
#[test]
fn an_image_has_no_name_that_only_the_hook_gives() {
    let world = HookWorld::new("crun");
    let bundle = world.bundle("other", &["none"]);
    for name in [".app.img.new", ".app.img.repair"] {
        let image = world.path("images").join(name);
        bundle.edit(|config| {
            config["rdkPlugins"]["minidump"]["data"]["paths"][0]["image"] = image.to_str().into();
        });
        world.run(&bundle, "c").fails_with("has the name of");
        assert!(!image.exists());
    }
}
