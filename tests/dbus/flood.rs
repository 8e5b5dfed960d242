//! Clients that ask for too much, or bring what is not wanted.

use std::os::fd::AsFd;
use std::process::Stdio;

use serde_json::json;
use zbus::message::Message;
use zbus::zvariant::Fd;

use crate::bus::{BusWorld, Monitor, path};
use crate::client::Client;

const LIMITS: &str = "org.freedesktop.DBus.Error.LimitsExceeded";

fn descriptors(world: &BusWorld) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", world.daemon.pid())).unwrap().count()
}

#[test]
fn calls_beyond_the_limit_are_refused_while_others_wait() {
    let world = BusWorld::new();
    let id = world.daemon.id("a");
    // Until its hook ends, the container is starting, and whatever changes it waits.
    let bundle = world.daemon.bundle("b", &["sleep", "100"]);
    let config = bundle.join("config.json");
    let mut edited: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    let (began, go) = (world.daemon.path("began"), world.daemon.path("go"));
    // It ends with the world, too, if the test fails.
    let script = format!(
        "echo > '{began}'; while [ -e '{began}' ] && [ ! -e '{go}' ]; do busybox sleep 0.01; done",
        began = began.display(),
        go = go.display()
    );
    edited["hooks"] = json!({"prestart": [{"path": "/bin/busybox", "args": ["busybox", "sh", "-c", script], "env": ["PATH=/bin"]}]});
    std::fs::write(&config, edited.to_string()).unwrap();
    let mut start = world.bus.call_command("ctrl1", "StartFromBundle", &["ssah", &id, path(&bundle), "0"]);
    let start = start.stdout(Stdio::piped()).spawn().unwrap();
    world.daemon.until("the start is under way", || began.exists());
    let d = world.bus.answer("ctrl1", "List", &[])[0][0].as_i64().unwrap();
    let number = i32::try_from(d).unwrap();
    let client = Client::new(&world.bus);
    let counts = client.flood(400, "Pause", &number, || {
        world.daemon.until("calls are refused", || world.daemon.log().contains("too many calls"));
        assert_eq!(world.daemon.done("getContainerState", &json!({"containerId": id}))["state"], "Starting");
        std::fs::write(&go, "").unwrap();
    });
    // One of the 256 places is the start's.
    assert!(counts["b"] >= 255 && counts[LIMITS] > 0 && counts.len() == 2, "{counts:?}");
    assert!(start.wait_with_output().unwrap().status.success());
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d.to_string()]), 4, "it was paused once");
}

#[test]
fn arguments_that_are_too_long_are_refused() {
    let world = BusWorld::new();
    let d: i32 = world.sleeper(&world.daemon.id("a")).parse().unwrap();
    let client = Client::new(&world.bus);
    let counts = client.flood(3, "Annotate", &(d, "key", "x".repeat(2 << 20)), || {});
    assert_eq!(counts[LIMITS], 3, "{counts:?}");
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d.to_string()]), 2);
}

#[test]
fn descriptors_that_calls_bring_do_not_stay() {
    let world = BusWorld::new();
    let id = world.daemon.id("a");
    let bundle = world.daemon.bundle("b", &["sleep", "100"]);
    let client = Client::new(&world.bus);
    assert_eq!(world.bus.answer("admin1", "Ping", &[]), json!([]));
    let before = descriptors(&world);
    let file = std::fs::File::open("/dev/null").unwrap();
    let files: Vec<Fd<'_>> = (0..16).map(|_| Fd::from(file.as_fd())).collect();
    let counts = client.flood(100, "StartFromBundle", &(id.as_str(), path(&bundle), files), || {});
    let refused = counts.get(LIMITS).copied().unwrap_or_default();
    assert_eq!(counts["i"] + refused, 100, "{counts:?}");
    assert!(world.daemon.log().contains("files for it are not passed on"), "{}", world.daemon.log());
    assert_eq!(world.bus.answer("ctrl1", "List", &[]), json!([[], []]));
    world.daemon.until("the descriptors are closed", || descriptors(&world) <= before);
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let world = BusWorld::new();
    let d: i32 = world.sleeper(&world.daemon.id("a")).parse().unwrap();
    let before = descriptors(&world);
    let client = Client::new(&world.bus);
    for _ in 0..200 {
        client.send(&Client::call("GetInfo").build(&d).unwrap());
    }
    drop(client);
    let client = Client::new(&world.bus);
    // Every place is free again.
    let counts = client.flood(50, "GetInfo", &d, || {});
    assert_eq!(counts.values().sum::<usize>(), 50, "{counts:?}");
    world.daemon.until("nothing stays open", || descriptors(&world) <= before);
}

#[test]
fn a_call_that_wants_no_answer_is_carried_out() {
    let world = BusWorld::new();
    let d: i32 = world.sleeper(&world.daemon.id("a")).parse().unwrap();
    let client = Client::new(&world.bus);
    client.cast("Pause", &d);
    world.daemon.until("it is paused", || world.bus.one("ctrl1", "GetState", &["i", &d.to_string()]) == 4);
}

#[test]
fn what_is_not_a_call_is_ignored() {
    let world = BusWorld::new();
    let monitor = Monitor::new(&world.bus);
    let id = world.daemon.id("a");
    let d: i32 = world.sleeper(&id).parse().unwrap();
    let client = Client::new(&world.bus);
    let signal = Message::signal("/org/rdk/dobby", "org.rdk.dobby.ctrl1", "Stopped").unwrap();
    let signal = signal.destination("org.rdk.dobby").unwrap().build(&(d, id.as_str())).unwrap();
    client.send(&signal);
    monitor.until("Stopped", &id);
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d.to_string()]), 2);
    assert_eq!(world.daemon.done("getContainerState", &json!({"containerId": id}))["state"], "Running");
}
