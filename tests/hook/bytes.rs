//! What is harvested is what was written, byte for byte.

use std::fs;

use oci_minidump::settings::DEFAULT_IMGSIZE;

use crate::images::{dump_bytes, image};
use crate::support::hook_world::HookWorld;
use crate::support::host::command;
use crate::support::test_runtimes::runtimes;

#[test]
fn bytes_written_in_a_container_arrive() {
    for runtime in runtimes() {
        for sizes in [&[][..], &[300_000], &[4, 5, 1023, 65_536, 1_000_001]] {
            let world = HookWorld::new(runtime);
            let words: Vec<String> = sizes
                .iter()
                .flat_map(|size| ["write".to_owned(), format!("{size}.dmp"), size.to_string()])
                .collect();
            let mut actions: Vec<&str> = words.iter().map(String::as_str).collect();
            actions.push("none");
            let bundle = world.bundle("app", &actions);
            let run = world.run(&bundle, "c").expect(0);
            assert_eq!(world.dumps().len(), sizes.len(), "{}", run.story());
            for size in sizes {
                let bytes = fs::read(world.dumps_dir().join(format!("{size}.dmp"))).unwrap();
                assert!(bytes == dump_bytes(*size), "{size}: {} bytes\n{}", bytes.len(), run.story());
            }
        }
    }
}

#[test]
fn a_dump_that_fills_the_image_is_harvested_and_said_to_be_truncated() {
    for (runtime, imgsize) in [("crun", 131_072), ("runc", 8_388_608), ("crun", 1_048_577)] {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["write", "full.dmp", "20000000"]);
        bundle
            .edit(|config| config["rdkPlugins"]["minidump"]["data"]["paths"][0]["imgsize"] = imgsize.into());
        let run = world.run(&bundle, "c").expect(1);
        let bytes = fs::read(world.dump()).unwrap();
        assert!(bytes.len() > imgsize / 2, "{imgsize}: {} bytes\n{}", bytes.len(), run.story());
        assert!(bytes == dump_bytes(bytes.len()), "{}", run.story());
        assert!(world.log().contains("harvested a truncated minidump"), "{}", run.story());
        assert!(world.log().contains("raise imgsize"), "{}", run.story());
    }
}

#[test]
fn images_of_every_size_work() {
    for size in [
        131_072,
        131_073,
        262_144,
        2_097_152,
        DEFAULT_IMGSIZE - 1,
        DEFAULT_IMGSIZE,
        DEFAULT_IMGSIZE + 1,
        100 << 20,
    ] {
        let world = HookWorld::new("crun");
        let bytes = dump_bytes(50_000);
        let image = image(&world, size, |dir| fs::write(dir.join("a.dmp"), &bytes).unwrap());
        world
            .hook(&["harvest", image.to_str().unwrap(), "--to", world.dumps_dir().to_str().unwrap()])
            .expect(0);
        assert!(fs::read(world.dump()).unwrap() == bytes, "{size}");
    }
}

#[test]
fn the_template_is_a_sound_file_system_with_the_features_of_every_other_image() {
    let describe = |size: u64| {
        let world = HookWorld::new("crun");
        let path = image(&world, size, |_| ());
        command("e2fsck", &["-fn".as_ref(), path.as_ref()]);
        let text = command("dumpe2fs", &["-h".as_ref(), path.as_ref()]);
        fs::remove_file(path).unwrap();
        let keys = [
            "Filesystem features:",
            "Filesystem volume name:",
            "Inode size:",
            "Block size:",
            "Journal size:",
        ];
        let lines = text.lines().filter(|line| keys.iter().any(|key| line.starts_with(key)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(describe(DEFAULT_IMGSIZE), describe(DEFAULT_IMGSIZE + 1024));
}
