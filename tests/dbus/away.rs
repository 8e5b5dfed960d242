//! A bus that is away, stands still, or is something else.

use std::os::unix::net::UnixListener;

use rustix::process::Signal;
use serde_json::json;

use crate::bus::{BusWorld, Monitor, OPEN};
use crate::support::daemon_world::DaemonWorld;
use crate::support::test_dir::test_dir;

#[test]
fn what_happens_while_the_bus_is_away_is_announced_when_it_is_back() {
    let mut world = BusWorld::new();
    let (first, second) = (world.daemon.id("a"), world.daemon.id("b"));
    let monitor = Monitor::new(&world.bus);
    world.sleeper(&first);
    monitor.until("Started", &first);
    drop(monitor);
    world.bus.end();
    world
        .daemon
        .until("the loss is noticed", || world.daemon.log().contains("the connection to D-Bus is lost"));
    world.daemon.done("stopContainer", &json!({"containerId": first, "force": true}));
    world.daemon.until("it is gone", || {
        world.daemon.call("getContainerState", &json!({"containerId": first})).is_err()
    });
    world.daemon.run(&second, &["sleep", "100"]);
    // The clients are back on the bus before the daemon is.
    world.bus.configure(&OPEN.replace("<allow own=\"*\"/>", "<deny own=\"org.rdk.dobby\"/>"));
    world.bus.start();
    let monitor = Monitor::new(&world.bus);
    world.bus.configure(OPEN);
    world.bus.signal(Signal::HUP);
    world.until_on_the_bus(2);
    monitor.until("Started", &second);
    let signals = monitor.signals();
    let names: Vec<&str> = signals.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Ready", "StoppedWithStatus", "Stopped", "Started"], "{}", world.daemon.log());
    assert_eq!(signals[1].1[1], first);
    assert_eq!(signals[3].1[1], second);
}

#[test]
fn a_bus_that_stands_still_holds_up_nothing_else() {
    let world = BusWorld::new();
    let id = world.daemon.id("a");
    let d = world.sleeper(&id);
    world.bus.signal(Signal::STOP);
    world.daemon.done("pauseContainer", &json!({"containerId": id}));
    world.daemon.done("resumeContainer", &json!({"containerId": id}));
    world.daemon.done("stopContainer", &json!({"containerId": id, "force": true}));
    world
        .daemon
        .until("it is gone", || world.daemon.call("getContainerState", &json!({"containerId": id})).is_err());
    world.bus.signal(Signal::CONT);
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 0);
}

#[test]
fn a_daemon_ends_although_its_bus_stands_still() {
    let mut world = BusWorld::new();
    let mut call = world.bus.call_command("ctrl1", "List", &[]);
    world.bus.signal(Signal::STOP);
    let mut call =
        call.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    assert_eq!(world.daemon.end(Signal::TERM), Some(0));
    call.kill().unwrap();
    call.wait().unwrap();
    world.bus.signal(Signal::CONT);
}

#[test]
fn a_socket_that_is_not_a_bus_is_given_up() {
    let dir = tempfile::Builder::new().prefix("dbus-test-").tempdir_in(test_dir()).unwrap();
    let socket = dir.path().join("bus");
    let _silent = UnixListener::bind(&socket).unwrap();
    let daemon = DaemonWorld::with(&["--dbus", &format!("unix:path={}", socket.display())]);
    daemon.done("listContainers", &json!({}));
    daemon.until("it is given up", || daemon.log().contains("it does not answer; trying again"));
}

#[test]
fn a_bus_that_talks_nonsense_is_given_up() {
    let dir = tempfile::Builder::new().prefix("dbus-test-").tempdir_in(test_dir()).unwrap();
    let socket = dir.path().join("bus");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let nonsense = "OK ".repeat(10_000) + "\r\nERROR\r\n";
            let _gone = std::io::Write::write_all(&mut stream.unwrap(), nonsense.as_bytes());
        }
    });
    let daemon = DaemonWorld::with(&["--dbus", &format!("unix:path={}", socket.display())]);
    daemon.until("it is given up", || daemon.log().contains("cannot connect to D-Bus"));
    daemon.done("listContainers", &json!({}));
}
