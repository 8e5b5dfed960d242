//! An image is as the container needs it before it is mounted: what the mounted file system had to change would be
//! flushed to the disk at every start and end of a container.

use std::fs;

use oci_minidump::image::create::NewImage;
use oci_minidump::settings::{DEFAULT_IMGSIZE, Plan};

use crate::support::hook_world::HookWorld;
use crate::support::host::command;
use crate::support::test_runtimes::runtimes;

#[test]
fn the_root_of_a_new_image_belongs_to_the_containers_user() {
    let world = HookWorld::new("crun");
    for imgsize in [131_072, DEFAULT_IMGSIZE, DEFAULT_IMGSIZE + 1024, 64 << 20, 200 << 20] {
        for owner in [(1000, 33), (0x7654_3210, 0x1234_5678)] {
            let path = world.image("made");
            let plan = Plan {
                image: path.clone(),
                container_source: "/x".into(),
                host_destination: world.dumps_dir(),
                imgsize,
                backing: None,
                origin: "test".to_owned(),
            };
            let made = NewImage::make(&plan, owner).and_then(NewImage::publish);
            drop(made.unwrap_or_else(|error| panic!("{}", error.report())));
            command("e2fsck", &["-fn".as_ref(), path.as_ref()]);
            let text = command("debugfs", &["-R".as_ref(), "stat <2>".as_ref(), path.as_ref()]);
            let words: Vec<&str> = text.split_whitespace().collect();
            let after = |key: &str| words.iter().position(|word| *word == key).map(|at| words[at + 1]);
            let (uid, gid) = (owner.0.to_string(), owner.1.to_string());
            assert_eq!(
                [after("User:"), after("Group:"), after("Mode:")],
                [Some(&*uid), Some(&*gid), Some("01777")],
                "{imgsize} {owner:?}: {text}"
            );
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_container_without_a_dump_makes_no_transaction() {
    for runtime in runtimes() {
        let world = HookWorld::new(runtime);
        let bundle = world.bundle("app", &["none"]);
        bundle.edit(|config| {
            config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000});
            config["hooks"].as_object_mut().unwrap().remove("poststop");
        });
        let run = world.run(&bundle, "c").expect(0);
        let text = command("dumpe2fs", &["-h".as_ref(), world.image("app").as_ref()]);
        let journal: Vec<&str> = text.lines().filter(|line| line.starts_with("Journal s")).collect();
        let words: Vec<&str> = journal.iter().flat_map(|line| line.split_whitespace()).collect();
        assert!(
            words.ends_with(&["sequence:", "0x00000001", "Journal", "start:", "0"]),
            "{journal:?}\n{}",
            run.story()
        );
        world.hook(&["sweep"]).expect(0);
    }
}
