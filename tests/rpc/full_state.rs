//! A state directory without room: what cannot be noted is not done, and the reason is said.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::process::Signal;
use serde_json::json;

use crate::support::daemon_world::DaemonWorld;

/// A daemon whose state directory is a small file system of its own.
struct Small {
    world: DaemonWorld,
    state: PathBuf,
}

impl Small {
    fn new() -> Self {
        let mut world = DaemonWorld::new();
        world.end(Signal::TERM);
        let state = world.path("state");
        mount(Some("tmpfs"), &state, Some("tmpfs"), MsFlags::empty(), Some("size=1m,mode=700")).unwrap();
        world.start();
        Self { world, state }
    }

    /// Leaves no room at all.
    fn fill(&self) {
        fill(&self.state.join("+filler"));
    }

    fn empty(&self) {
        fs::remove_file(self.state.join("+filler")).unwrap();
    }
}

fn fill(path: &Path) {
    fs::write(path, vec![0; 1 << 21]).unwrap_err();
}

impl Drop for Small {
    fn drop(&mut self) {
        self.world.end(Signal::TERM);
        umount2(&self.state, MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_mount_that_cannot_be_noted_is_not_made() {
    let small = Small::new();
    let world = &small.world;
    let id = world.id("a");
    fs::create_dir(world.path("shared")).unwrap();
    world.run(&id, &["sleep", "100"]);
    let at = |target: &str| json!({"containerId": id, "source": world.path("shared"), "target": target});
    let mounted = |target: &str| {
        let words = ["cat", "/proc/self/mountinfo"];
        let ran = world.done("runCommand", &json!({"containerId": id, "command": words}));
        ran["stdout"].as_str().unwrap().contains(&format!(" {target} "))
    };
    world.done("mount", &at("/tmp/before"));
    let note = small.state.join(&id).join("mounts.json");
    let before = fs::read(&note).unwrap();
    small.fill();
    let refused = world.call("mount", &at("/tmp/full")).unwrap_err();
    assert!(refused["data"].as_str().unwrap().contains("No space left"), "{refused}");
    small.empty();
    assert!(mounted("/tmp/before") && !mounted("/tmp/full"));
    // One that fails leaves no note.
    world.call("mount", &at("/proc/x")).unwrap_err();
    assert_eq!(fs::read(&note).unwrap(), before);
    world.done("mount", &at("/tmp/full"));
    for target in ["/tmp/full", "/tmp/before"] {
        assert!(mounted(target));
        world.done("unmount", &at(target));
        assert!(!mounted(target));
    }
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}
