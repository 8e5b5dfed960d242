//! An image is known by what it is, not by its path; a container by its record, not by a process number. Whatever comes late
//! or from elsewhere, the image of a container that runs is never removed, and every dump arrives under its owner's name.

mod left;
mod runs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::hook_world::{Bundle, HookWorld, SOURCE};

/// What the program of a bundle does.
fn set_actions(bundle: &Bundle, actions: &[&str]) {
    let arguments = [&["/crasher", SOURCE], actions].concat();
    bundle.edit(|config| config["process"]["args"] = json!(arguments));
}

fn start(world: &HookWorld, bundle: &Bundle, name: &str) {
    world.create(bundle, name).expect(0);
    world.control(&["start"], name, &[]).expect(0);
}

pub(crate) fn pid(world: &HookWorld, name: &str) -> i64 {
    let state: Value = serde_json::from_str(&world.control(&["state"], name, &[]).stdout()).unwrap();
    state["pid"].as_i64().unwrap()
}

/// The minidump directory as a process of the container sees it.
fn directory(pid: i64) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{SOURCE}"))
}

/// A process that holds the mount namespace of a container; it ends with this value.
pub(crate) struct Pin(Child);

impl Pin {
    pub(crate) fn new(pid: i64, actions: &[&str]) -> Self {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--mount", "--target", &pid.to_string(), "/crasher", SOURCE]).args(actions);
        Self(nsenter.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn directory(&self) -> PathBuf {
        directory(self.0.id().into())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// The container that a harvested dump is marked with.
fn marked(path: &Path) -> String {
    let mut value = [0; 256];
    let length = rustix::fs::getxattr(path, "user.oci-minidump.container", &mut value).unwrap();
    String::from_utf8(value[..length].to_vec()).unwrap()
}

fn assert_dump(world: &HookWorld, name: &str, bytes: &[u8], container: &str) {
    let path = world.dumps_dir().join(name);
    assert!(fs::read(&path).unwrap_or_default() == bytes, "{name}: {:?}\n{}", world.dumps(), world.log());
    assert_eq!(marked(&path), world.id(container), "{name}: {}", world.log());
}

fn sweep(world: &HookWorld) -> Value {
    let run = world.hook(&["sweep", "--json"]).expect(0);
    serde_json::from_str(&run.stdout()).unwrap_or_else(|error| panic!("{error}: {}", run.story()))
}
