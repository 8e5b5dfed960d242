//! `exec -it`: a terminal in the container that is the user's own.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::support::pty::Pty;
use crate::support::test_runtimes::runtimes;

/// Says the size once the terminal has one, again at each change, and reads lines; INT is a key that it counts.
const PROGRAM: &str = "trap 'echo interrupted' INT; trap 'busybox stty size' WINCH; \
    until [ \"$(busybox stty size)\" != '0 0' ]; do :; done; busybox stty size; \
    while :; do read line || continue; echo \"got $line on $(busybox tty) of $TERM\"; \
    [ \"$line\" != end ] || exit 7; done";

/// A world with a container that has terminals, and its id.
fn world(runtime: &str) -> (DaemonWorld, String) {
    let world = DaemonWorld::with(&["--runtime", runtime]);
    let id = world.id("a");
    let bundle = bundle(&world, "b", &["sleep", "1000"]);
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    (world, id)
}

/// A bundle whose container can have terminals.
pub(crate) fn bundle(world: &DaemonWorld, name: &str, args: &[&str]) -> String {
    let bundle = world.bundle(name, args);
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    let pts = json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options});
    config["mounts"].as_array_mut().unwrap().push(pts);
    std::fs::write(&path, config.to_string()).unwrap();
    bundle.to_str().unwrap().to_owned()
}

fn exec(world: &DaemonWorld, args: &[&str]) -> Command {
    let mut command = Command::new(daemon_program());
    command.arg("exec").arg("--socket").arg(world.path("socket")).args(args);
    command
}

fn end(world: &DaemonWorld, id: &str) {
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn a_command_has_the_users_terminal_and_gives_it_back() {
    for runtime in runtimes() {
        let (world, id) = world(runtime);
        let mut pty = Pty::start(&exec(&world, &["-it", &id, "sh", "-c", PROGRAM]), 33, 111);
        pty.shows("33 111\r\n");
        assert!(pty.is_raw(), "keys go to the command");
        pty.resize(44, 99);
        pty.shows("44 99\r\n");
        pty.keys("hello\r");
        let shown = pty.shows(" of vt220\r\n");
        assert!(shown.contains("hello\r\ngot hello on /dev/pts/0 of vt220"), "{shown:?}");
        pty.keys("\x03");
        pty.shows("interrupted\r\n");
        pty.keys("end\r");
        assert_eq!(pty.code(), Some(7), "{}", pty.screen());
        pty.shows("got end");
        assert!(!pty.is_raw());
        end(&world, &id);
    }
}

#[test]
fn the_terminal_is_as_before_however_it_ends() {
    let (mut world, id) = world("crun");
    let signals = [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT];
    for ending in signals.into_iter().map(Some).chain([None]) {
        let mut pty = Pty::start(&exec(&world, &["-it", &id, "sh", "-c", PROGRAM]), 20, 70);
        let before = pty.settings();
        pty.shows("20 70\r\n");
        assert!(pty.is_raw());
        let code = match ending {
            Some(signal) => {
                pty.signal(signal);
                128 + signal.as_raw()
            }
            None => {
                world.end(Signal::TERM);
                125
            }
        };
        assert_eq!(pty.code(), Some(code), "{ending:?}: {}", pty.screen());
        assert_eq!(pty.settings(), before, "{ending:?}");
    }
    world.start();
    for (args, code) in [(&["-it", "another", "sh"][..], 125), (&["-it", &id, "nosuch"], 127)] {
        let mut pty = Pty::start(&exec(&world, args), 20, 70);
        let before = pty.settings();
        assert_eq!((pty.code(), pty.settings()), (Some(code), before), "{}", pty.screen());
    }
}

#[test]
fn a_terminal_is_given_where_there_is_one() {
    let (world, id) = world("crun");
    for option in ["-t", "-it"] {
        let output = exec(&world, &[option, &id, "true"]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(125) && said.contains("needs a terminal"), "{output:?}");
    }
    let is_terminal = "test -t 0; a=$?; test -t 1; b=$?; test -t 2; echo $a $b $?";
    for (options, shown) in [("-it", "0 0 0"), ("-t", "0 0 0"), ("-i", "1 1 1")] {
        let mut pty = Pty::start(&exec(&world, &[options, &id, "sh", "-c", is_terminal]), 20, 70);
        pty.shows(shown);
        assert_eq!(pty.code(), Some(0), "{options}");
    }
    let mut pty = Pty::start(&exec(&world, &[&id, "sh", "-c", "cat; echo ready; exec sleep 1000"]), 20, 70);
    pty.shows("ready");
    assert!(!pty.is_raw());
    pty.keys("not for it\n");
    pty.keys("\x03");
    assert_eq!(pty.code(), Some(130), "without -i the keys make signals as ever: {}", pty.screen());
    let mut pty = Pty::start(&exec(&world, &["-it", &id, "busybox", "printf", "\\033[2J\\377"]), 20, 70);
    assert_eq!(pty.code(), Some(0));
    pty.shows("\x1b[2J");
}
