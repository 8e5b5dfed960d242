//! A state directory without room: what cannot be noted is not done, and the reason is said.

use std::fs;
use std::io::Write;
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
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        let mut world = DaemonWorld::with(flags);
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

/// Page by page: in one piece, little may fit. The kernel counts on each processor, and may say too early that it is full.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() || rustix::fs::fstatvfs(&file).unwrap().f_bfree > 0 {}
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

#[test]
fn where_no_container_can_start_the_health_says_so() {
    let small = Small::new();
    let world = &small.world;
    // As full as it may be for a container to start: then it starts.
    let (mut room, mut started) = (0, 0);
    for free in (0..12_u64).map(|step| step * 4 * 4096) {
        let path = small.state.join("+filler");
        let length = || path.metadata().unwrap().len();
        // What the kernel gives back of a file that is gone may come late.
        world.until("there is as much to fill", || {
            small.fill();
            length() > free
        });
        fs::File::options().write(true).open(&path).unwrap().set_len(length() - free).unwrap();
        let status = world.tcp().request("GET", "/healthz", &[], "").status;
        let id = world.id(&format!("a{free}"));
        let bundle = world.bundle(&id, &["sleep", "100"]);
        let outcome = world.call("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        if outcome.is_ok() {
            started += 1;
            world.done("deleteContainer", &json!({"containerId": id, "force": true}));
        }
        if status == 200 {
            room += 1;
            assert!(outcome.is_ok(), "{free} bytes are free: {outcome:?}");
        }
        small.empty();
    }
    assert!(room > 0 && started >= room, "{room} {started}");
}

#[test]
fn a_command_that_cannot_be_noted_says_why() {
    for runtime in ["crun", "runc"] {
        let small = Small::with(&["--runtime", runtime]);
        let world = &small.world;
        let id = world.id("a");
        world.run(&id, &["sleep", "100"]);
        small.fill();
        let refused = world.cli(&["exec", &id, "true"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(125), "{said}");
        assert!(said.contains("has no room") && said.contains("is full"), "{said}");
        small.empty();
        assert_eq!(world.cli(&["exec", &id, "true"]).status.code(), Some(0));
        world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    }
}
