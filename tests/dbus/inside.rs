//! What changes a container that runs: hibernation by a memcr of ours, annotations, mounts.

use std::fs;

use serde_json::{Value, json};

use crate::bus::{BusWorld, Monitor};
use crate::support::memcr;
use crate::support::test_dir::test_dir;

#[test]
fn a_container_hibernates_and_wakes_up_with_a_signal_each() {
    let dir = tempfile::Builder::new().prefix("dbus-memcr-").tempdir_in(test_dir()).unwrap();
    let socket = dir.path().join("memcr");
    let world = BusWorld::with(&["--memcr-socket", socket.to_str().unwrap()]);
    let monitor = Monitor::new(&world.bus);
    let id = world.daemon.id("a");
    let d = world.sleeper(&id);
    let number: i64 = d.parse().unwrap();
    assert_eq!(world.bus.one("ctrl1", "Hibernate", &["is", &d, ""]), false, "memcr does not run");
    let requests = memcr::start(&socket, 0, None);
    assert_eq!(world.bus.one("ctrl1", "Hibernate", &["is", &d, "compress=lz4"]), true);
    monitor.until("Hibernated", &id);
    assert_eq!(requests.recv().unwrap().0, 100);
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 6);
    let info = world.bus.one("ctrl1", "GetInfo", &["i", &d]);
    let info: Value = serde_json::from_str(info.as_str().unwrap()).unwrap();
    assert_eq!(info["state"], "hibernated");
    assert_eq!(world.bus.one("ctrl1", "Hibernate", &["is", &d, ""]), false, "it is hibernated already");
    assert_eq!(world.bus.one("ctrl1", "Wakeup", &["i", &d]), true);
    monitor.until("Awoken", &id);
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 2);
    // A resumed container was not asleep.
    assert_eq!(world.bus.one("ctrl1", "Pause", &["i", &d]), true);
    assert_eq!(world.bus.one("ctrl1", "Resume", &["i", &d]), true);
    assert_eq!(world.bus.one("ctrl1", "Stop", &["ib", &d, "true"]), true);
    monitor.until("Stopped", &id);
    let signals = monitor.signals();
    let names: Vec<&str> = signals.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Started", "Hibernated", "Awoken", "StoppedWithStatus", "Stopped"]);
    assert_eq!(signals[1].1, json!([number, id]));
    assert_eq!(signals[2].1, json!([number, id]));
}

#[test]
fn a_hibernated_container_is_stopped_or_woken_by_the_next_daemon() {
    let dir = tempfile::Builder::new().prefix("dbus-memcr-").tempdir_in(test_dir()).unwrap();
    let socket = dir.path().join("memcr");
    let mut world = BusWorld::with(&["--memcr-socket", socket.to_str().unwrap()]);
    let _requests = memcr::start(&socket, 0, None);
    let monitor = Monitor::new(&world.bus);
    let (first, second) = (world.daemon.id("a"), world.daemon.id("b"));
    let descriptors = [world.sleeper(&first), world.sleeper(&second)];
    for (d, id) in descriptors.iter().zip([&first, &second]) {
        assert_eq!(world.bus.one("ctrl1", "Hibernate", &["is", d, ""]), true);
        monitor.until("Hibernated", id);
    }
    assert_eq!(world.bus.one("ctrl1", "Stop", &["ib", &descriptors[0], "false"]), true);
    monitor.until("Stopped", &first);
    let signals = monitor.signals();
    assert!(!signals.iter().any(|(name, _)| name == "Awoken"), "{signals:?}");
    world.daemon.end(rustix::process::Signal::KILL);
    world.daemon.start();
    world.until_on_the_bus(2);
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &descriptors[1]]), 6);
    assert_eq!(world.bus.one("ctrl1", "Wakeup", &["i", &descriptors[1]]), true);
    monitor.until("Awoken", &second);
}

#[test]
fn annotations_and_mounts_come_and_go() {
    let world = BusWorld::new();
    let id = world.daemon.id("a");
    let d = world.sleeper(&id);
    let info = || -> Value {
        serde_json::from_str(world.bus.one("ctrl1", "GetInfo", &["i", &d]).as_str().unwrap()).unwrap()
    };
    assert_eq!(world.bus.one("ctrl1", "Annotate", &["iss", &d, "key", "value"]), true);
    assert_eq!(info()["annotations"], json!({"key": "value"}));
    assert_eq!(world.bus.one("ctrl1", "RemoveAnnotation", &["is", &d, "key"]), true);
    assert_eq!(world.bus.one("ctrl1", "RemoveAnnotation", &["is", &d, "key"]), false);
    assert_eq!(info().get("annotations"), None);

    let shared = world.daemon.path("shared");
    fs::create_dir(&shared).unwrap();
    let source = shared.to_str().unwrap();
    let mount = |flags: &[&str], data: &str| {
        let count = flags.len().to_string();
        let args = [&["issass", &d, source, "/tmp/shared", &count], flags, &[data]].concat();
        world.bus.one("ctrl1", "Mount", &args)
    };
    assert_eq!(mount(&["ro"], ""), false, "as with Dobby, it must be called a bind mount");
    assert_eq!(mount(&["bind", "sideways"], ""), false);
    assert_eq!(mount(&["bind", "ro"], "size=1"), true, "a bind mount has no data, as with mount(2)");
    assert_eq!(world.bus.one("ctrl1", "Unmount", &["is", &d, "/tmp/shared"]), true);
    assert_eq!(mount(&[], ""), true, "as Thunder's plugin sends it");
    assert_eq!(world.bus.one("ctrl1", "Unmount", &["is", &d, "/tmp/shared"]), true);
    assert_eq!(world.bus.one("ctrl1", "Unmount", &["is", &d, "/tmp/shared"]), false);
}
