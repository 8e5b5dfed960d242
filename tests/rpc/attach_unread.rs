//! Input that a container does not read: the user can leave all the same, and what is lost is said.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::attach::{state, verb};
use crate::support::daemon_world::DaemonWorld;
use crate::support::pty::Pty;
use crate::terminal::bundle;

/// What is said of input that did not arrive.
const LOST: &str = "bytes of input are lost";

#[test]
fn the_keys_detach_whatever_the_container_reads() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    // A terminal that keeps what is typed, until it has no more room.
    let bundle = bundle(&world, &id, &["sh", "-c", "busybox stty raw -echo; echo ready; sleep 1000"]);
    let mut pty = Pty::start(&verb(&world, &["run", "-it", &id, &bundle]), 33, 111);
    pty.shows("ready");
    world.until("keys go to the container", || pty.is_raw());
    let mut hands = pty.hands();
    let typing = std::thread::spawn(move || {
        hands.write_all(&[b'x'; 300_000]).and_then(|()| hands.write_all(b"\x10\x11"))
    });
    let mut code = None;
    world.until("it detaches", || {
        code = pty.child.try_wait().unwrap().map(|status| status.code());
        code.is_some()
    });
    assert_eq!((code, state(&world, &id).as_str()), (Some(Some(0)), "Running"));
    typing.join().unwrap().unwrap();
    pty.shows(LOST);
    assert!(!pty.is_raw());
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn what_was_typed_right_before_the_keys_arrives() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let program = "busybox stty raw -echo; echo ready; head -c 4 > /tmp/got; cat /tmp/got; sleep 1000";
    let bundle = bundle(&world, &id, &["sh", "-c", program]);
    let mut pty = Pty::start(&verb(&world, &["run", "-it", &id, &bundle]), 33, 111);
    pty.shows("ready");
    world.until("keys go to the container", || pty.is_raw());
    pty.keys("last\x10\x11");
    assert_eq!(pty.code(), Some(0), "{}", pty.screen());
    assert!(!pty.screen().contains(LOST), "{}", pty.screen());
    let log = || String::from_utf8(world.cli(&["logs", &id]).stdout).unwrap();
    world.until("it has read that", || log().contains("last"));
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn input_that_is_lost_with_the_daemon_is_said() {
    let mut world = DaemonWorld::new();
    // The container reads a line; the rest goes into its pipe, which has room for 64 KiB, and stays there.
    let script = "read line; echo got $line; while ! [ -e /go ]; do sleep 0.05; done; exec head -c 1000";
    for (name, signal, size) in
        [("killed", Signal::KILL, 100_000), ("stopped", Signal::TERM, 100_000), ("little", Signal::KILL, 0)]
    {
        let id = world.id(name);
        let bundle = world.bundle("b", &["sh", "-c", script]);
        assert!(world.cli(&["start", "-i", &id, bundle.to_str().unwrap()]).status.success());
        let mut attach = verb(&world, &["attach", &id]);
        let mut child =
            attach.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, mut got) = (child.stdin.take().unwrap(), [0; 8]);
        stdin.write_all(b"this\n").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut got).unwrap();
        assert_eq!(&got, b"got this");
        stdin.write_all(&vec![b'x'; size]).unwrap();
        world.until("all is under way", || rustix::io::ioctl_fionread(&stdin).unwrap() == 0);
        world.end(signal);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.contains(LOST)), (Some(125), size > 0), "{said}");
        world.start();
        std::fs::write(world.path("rootfs/go"), "").unwrap();
        let log = || world.cli(&["logs", &id]).stdout;
        world.until("it reads what is in the pipe", || size == 0 || log().ends_with(&[b'x'; 1000]));
        std::fs::remove_file(world.path("rootfs/go")).unwrap();
        // It may have ended by now.
        let _gone = world.call("deleteContainer", &json!({"containerId": id, "force": true}));
    }
}
