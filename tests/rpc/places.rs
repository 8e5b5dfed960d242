//! Places on the Unix socket: clients that sit there in silence keep no other out.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Pid, Signal, Uid, kill_process};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};

const LIST: &str = r#"{"id":3,"method":"OCIContainer.1.listContainers"}"#;
/// As many connections as there are places for everybody.
const PLACES: usize = 256;

fn websocket(world: &DaemonWorld) -> WebSocket<UnixStream> {
    let stream = UnixStream::connect(world.path("socket")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    tungstenite::client("ws://localhost/jsonrpc", stream).unwrap().0
}

fn text(socket: &mut WebSocket<UnixStream>) -> Value {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn listed(world: &DaemonWorld) -> bool {
    let output = world.cli(&["list"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// Does something as a user without rights, on a thread of its own.
fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let work = || {
            rustix::thread::set_thread_uid(Uid::from_raw(65534)).unwrap();
            act()
        };
        scope.spawn(work).join().unwrap()
    })
}

#[test]
fn silent_connections_make_room_for_new_ones() {
    let world = DaemonWorld::new();
    let mut silent: Vec<_> = (0..PLACES + 50).map(|_| world.unix()).collect();
    assert!((0..3).all(|_| listed(&world)));
    // One that was used and is kept open owes the next request, and has done so for the shortest time.
    let mut kept = world.unix();
    assert_eq!(kept.request("POST", "/jsonrpc", &[], LIST).status, 200);
    silent.extend((0..50).map(|_| world.unix()));
    assert_eq!(kept.request("POST", "/jsonrpc", &[], LIST).status, 200, "it was not the longest silent one");
    assert!(silent[0].is_closed());
    assert!(listed(&world));
}

#[test]
fn two_hundred_subscribers_are_served_and_none_makes_room() {
    let world = DaemonWorld::new();
    let mut subscribers: Vec<_> = (0..200).map(|_| websocket(&world)).collect();
    for socket in &mut subscribers {
        let params = json!({"event": "onContainerStarted", "id": "e"});
        let request = json!({"id": 1, "method": format!("{PLUGIN}.register"), "params": params});
        socket.send(Message::text(request.to_string())).unwrap();
        assert_eq!(text(socket)["result"], 0);
    }
    let _silent: Vec<_> = (0..PLACES).map(|_| world.unix()).collect();
    assert!(listed(&world));
    world.run(&world.id("a"), &["sleep", "100"]);
    for socket in &mut subscribers {
        assert_eq!(text(socket)["method"], "e.onContainerStarted");
    }
}

/// A daemon that had no time finds them all at once.
#[test]
fn silent_connections_that_come_in_one_moment_make_room_for_the_last_one() {
    let world = DaemonWorld::new();
    let daemon = Pid::from_raw(i32::try_from(world.pid()).unwrap()).unwrap();
    let _subscribers: Vec<_> = (0..200).map(|_| websocket(&world)).collect();
    for _ in 0..3 {
        kill_process(daemon, Signal::STOP).unwrap();
        // As many as may wait to be accepted, this one included.
        let _silent: Vec<_> = (0..120).map(|_| world.unix()).collect();
        let mut last = world.unix();
        kill_process(daemon, Signal::CONT).unwrap();
        assert_eq!(last.request("POST", "/jsonrpc", &[], LIST).status, 200);
    }
}

#[test]
fn places_are_kept_free_for_root_and_the_others_learn_why() {
    let world = DaemonWorld::new();
    std::fs::set_permissions(world.path("socket"), PermissionsExt::from_mode(0o666)).unwrap();
    // WebSockets make no room.
    let taken: Vec<_> = as_nobody(|| (0..PLACES).map(|_| websocket(&world)).collect());
    assert!((0..20).all(|_| listed(&world)), "root has places of its own");
    // More than those: the message is true, whether or not the daemon has closed before the request is sent.
    let _more: Vec<_> = (0..8).map(|_| websocket(&world)).collect();
    for _ in 0..20 {
        let output = world.cli(&["list"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("it has too many connections"), "{said}");
        assert!(!said.contains("Broken pipe"), "{said}");
    }
    drop(taken);
    world.until("there is room again", || world.cli(&["list"]).status.success());
}
