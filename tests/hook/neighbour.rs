//! A container that runs beside the one that a test is about: whatever happens to the other one, the image of this one stays,
//! and every dump that it writes arrives.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use crate::held::Held;
use crate::images::dump_bytes;
use crate::support::hook_world::{Bundle, HookWorld};

/// How many dumps it keeps; later ones take the place of earlier ones.
const DUMPS: usize = 40;

/// A container that runs all the time, with its image among the others.
pub(crate) struct Neighbour {
    bundle: Bundle,
    held: Option<Held>,
    written: RefCell<BTreeMap<String, Vec<u8>>>,
    count: RefCell<usize>,
}

impl Neighbour {
    /// Starts it; what it has on the host is no leak of the world while it runs.
    pub(crate) fn start(world: &HookWorld) -> Self {
        let bundle = world.bundle("neighbour", &["none"]);
        let destination = world.path("neighbour-dumps");
        bundle.edit(|config| {
            config["rdkPlugins"]["minidump"]["data"]["paths"][0]["hostDestination"] = json!(destination);
        });
        let held = Held::new();
        world.hook_with_input(&["prestart"], &Self::state(world, &bundle, held.pid())).expect(0);
        world.expect_remains();
        Self { bundle, held: Some(held), written: RefCell::default(), count: RefCell::default() }
    }

    fn state(world: &HookWorld, bundle: &Bundle, pid: u32) -> String {
        let status = if pid > 0 { "created" } else { "stopped" };
        json!({
            "ociVersion": "1.0.2", "id": world.id("neighbour"), "status": status, "bundle": bundle.dir, "pid": pid,
        })
        .to_string()
    }

    /// Writes one more dump.
    pub(crate) fn write(&self) {
        let count = self.count.replace_with(|count| *count + 1);
        let (name, bytes) = (format!("n{}.dmp", count % DUMPS), dump_bytes(100 + count));
        let dir = self.held.as_ref().unwrap().directory(&self.bundle);
        fs::write(dir.join(&name), &bytes).unwrap();
        self.written.borrow_mut().insert(name, bytes);
    }

    /// Its end: every dump is on the host.
    pub(crate) fn finish(&mut self, world: &HookWorld) {
        assert!(
            world.image("neighbour").exists(),
            "the image of a running container is gone: {}",
            world.log()
        );
        drop(self.held.take());
        world.expect_nothing();
        let run = world.hook_with_input(&["poststop"], &Self::state(world, &self.bundle, 0)).expect(0);
        for (name, bytes) in self.written.borrow().iter() {
            let found = fs::read(world.path("neighbour-dumps").join(name)).unwrap_or_default();
            assert!(found == *bytes, "{name} of the neighbour: {}", run.story());
        }
    }
}
