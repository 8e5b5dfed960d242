//! Who may call.

use crate::bus::{BusWorld, as_user};

const STRANGER: u32 = 65_534;

#[test]
fn a_user_who_may_not_use_the_socket_may_not_call() {
    let world = BusWorld::new();
    let d = world.sleeper(&world.daemon.id("a"));
    for (interface, method, args) in [
        ("ctrl1", "List", &[] as &[&str]),
        ("ctrl1", "Stop", &["ib", &d, "true"]),
        ("admin1", "Ping", &[]),
        ("admin1", "Shutdown", &[]),
        ("debug1", "GetOCIConfig", &["i", &d]),
    ] {
        let output = as_user(world.bus.call_command(interface, method, args), STRANGER);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("Access denied"), "{message}");
    }
    assert!(
        world.daemon.log().contains("refused D-Bus call List: user 65534 over D-Bus"),
        "{}",
        world.daemon.log()
    );
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 2, "the container runs on");
}

#[test]
fn a_user_who_is_allowed_may_call_and_so_may_the_group_of_the_socket() {
    for flags in [["--dbus-allow-uid", "65534"], ["--socket-group", "65534"]] {
        let world = BusWorld::with(&flags);
        let output = as_user(world.bus.call_command("ctrl1", "List", &[]), STRANGER);
        assert!(output.status.success(), "{flags:?}: {output:?}");
    }
}
