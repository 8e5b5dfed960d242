//! `run -it` and `attach`: a container's terminal, which survives its clients and the daemon.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::exits::lives;
use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::support::pty::Pty;
use crate::support::test_runtimes::runtimes;
use crate::terminal::bundle;

/// Says the size of its window at once and at each change, counts a key that makes a signal, and reads lines.
const PROGRAM: &str = "echo \"size $(busybox stty size)\"; trap 'echo interrupted' INT; trap 'busybox stty size' WINCH; \
    while :; do read line || continue; echo \"got $line of $TERM on $(busybox stty size)\"; \
    [ \"$line\" != end ] || exit 7; [ \"$line\" != crash ] || exit 9; done";
/// The keys that detach.
const DETACH: &str = "\x10\x11";

/// A verb of the command line.
pub(crate) fn verb(world: &DaemonWorld, words: &[&str]) -> Command {
    let mut command = Command::new(daemon_program());
    command.arg(words[0]).arg("--socket").arg(world.path("socket")).args(&words[1..]);
    command
}

pub(crate) fn state(world: &DaemonWorld, id: &str) -> String {
    let state = world.call("getContainerState", &json!({"containerId": id}));
    state.map_or_else(|_| "gone".to_owned(), |state| state["state"].as_str().unwrap().to_owned())
}

fn started(world: &DaemonWorld, id: &str) {
    let bundle = bundle(world, id, &["sh", "-c", PROGRAM]);
    let mut pty = Pty::start(&verb(world, &["run", "-dit", id, &bundle]), 33, 111);
    assert_eq!(pty.code(), Some(0), "{}", pty.screen());
}

/// A terminal that is attached, and on which the program answers.
fn attached(world: &DaemonWorld, id: &str, word: &str) -> Pty {
    let mut pty = Pty::start(&verb(world, &["attach", id]), 44, 99);
    pty.shows("44 99\r\n");
    answers(&mut pty, word);
    pty
}

fn answers(pty: &mut Pty, word: &str) {
    pty.keys(&format!("{word}\r"));
    pty.shows(&format!("got {word} of vt220 on"));
}

#[test]
fn a_container_has_the_users_terminal_from_its_start_on_and_gives_it_back() {
    for runtime in runtimes() {
        let world = DaemonWorld::with(&["--runtime", runtime]);
        let id = world.id("a");
        let bundle = bundle(&world, "b", &["sh", "-c", PROGRAM]);
        let mut pty = Pty::start(&verb(&world, &["run", "-it", &id, &bundle]), 33, 111);
        let before = pty.settings();
        // Its first command knows it.
        let shown = pty.shows("33 111\r\n");
        assert!(shown.ends_with("33 111\r\n") && !shown.contains("0 0"), "{runtime}: {shown:?}");
        world.until("keys go to the container", || pty.is_raw());
        answers(&mut pty, "hello");
        pty.resize(44, 99);
        pty.shows("44 99\r\n");
        pty.keys("\x03");
        pty.shows("interrupted\r\n");
        pty.keys("end\r");
        assert_eq!(pty.code(), Some(7), "{runtime}: {}", pty.screen());
        pty.shows("got end");
        assert_eq!(pty.settings(), before);
        assert_eq!(state(&world, &id), "gone");
        let log = world.cli(&["logs", &id]).stdout;
        assert!(String::from_utf8(log).unwrap().contains("got hello of vt220"), "it is in the log, too");
        for (words, code) in [(&["nosuch"][..], 127), (&["sh", "-c", "exit 3"], 3), (&["true"], 0)] {
            let words = [&["run", "-it", &id, &bundle, "--"], words].concat();
            let mut pty = Pty::start(&verb(&world, &words), 33, 111);
            let before = pty.settings();
            assert_eq!((pty.code(), pty.settings()), (Some(code), before), "{words:?}: {}", pty.screen());
        }
    }
}

#[test]
fn a_terminal_survives_its_clients_and_every_end_of_the_daemon() {
    for runtime in runtimes() {
        let mut world = DaemonWorld::with(&["--runtime", runtime]);
        let id = world.id("a");
        started(&world, &id);
        let mut pty = attached(&world, &id, "first");
        pty.keys(DETACH);
        assert_eq!(pty.code(), Some(0), "{}", pty.screen());
        assert!(!pty.is_raw() && state(&world, &id) == "Running");
        for (round, (signal, is_upgrade)) in
            [(Signal::KILL, false), (Signal::TERM, false), (Signal::KILL, true), (Signal::TERM, true)]
                .into_iter()
                .enumerate()
        {
            let mut pty = attached(&world, &id, &format!("before{round}"));
            if is_upgrade {
                world.upgrade();
            }
            world.end(signal);
            assert_eq!(pty.code(), Some(125), "{}", pty.screen());
            assert!(!pty.is_raw());
            world.start();
        }
        let mut pty = attached(&world, &id, "last");
        pty.keys("end\r");
        assert_eq!(pty.code(), Some(7), "{}", pty.screen());
    }
}

#[test]
fn a_terminal_survives_its_monitor_while_a_daemon_runs() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    started(&world, &id);
    let mut pty = attached(&world, &id, "first");
    for word in ["second", "third"] {
        // The one that has the terminal, its parent at first.
        let monitor = holder(&world);
        kill_process(Pid::from_raw(monitor).unwrap(), Signal::KILL).unwrap();
        world.until("it is dead", || !lives(monitor));
        answers(&mut pty, word);
    }
    pty.keys("end\r");
    pty.shows("got end of vt220");
    // Only its parent, which was killed, knew how it ended, and on newer kernels the daemon.
    pty.code();
    assert_eq!(state(&world, &id), "gone");
}

/// The monitor that has a terminal.
fn holder(world: &DaemonWorld) -> i32 {
    let mut found = None;
    let state = world.path("state");
    world.until("a monitor has the terminal", || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        found = pids.into_iter().find(|pid| {
            let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            let links: Vec<_> = links.filter_map(|link| std::fs::read_link(link.path()).ok()).collect();
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("+monitor")
                && links.iter().any(|link| link.to_string_lossy().contains("ptmx"))
                && links.iter().any(|link| link.starts_with(&state))
        });
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_restart_keeps_the_terminal_and_those_who_are_attached() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = bundle(&world, &id, &["sh", "-c", PROGRAM]);
    let path = std::path::Path::new(&bundle).join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["annotations"] = json!({"org.rdk.restartOnCrash": "true"});
    config["rdkPlugins"] = json!({"logging": {"required": true, "data": {"sink": "devnull"}}});
    std::fs::write(&path, config.to_string()).unwrap();
    let mut pty = Pty::start(&verb(&world, &["run", "-it", &id, &bundle]), 33, 111);
    pty.shows("33 111\r\n");
    answers(&mut pty, "first");
    pty.resize(44, 99);
    pty.shows("44 99\r\n");
    let output = world.cli(&["restart", &id]);
    assert!(output.status.success(), "{output:?}");
    let answers_anew = |pty: &mut Pty, word: &str| {
        // The first command of the new one finds the size of the first start, or that of now, which comes soon.
        pty.shows("size ");
        pty.keys(&format!("{word}\r"));
        pty.shows(&format!("got {word} of vt220 on 44 99\r\n"));
    };
    answers_anew(&mut pty, "second");
    pty.keys("crash\r");
    answers_anew(&mut pty, "third");
    pty.keys("end\r");
    // Any other end than success is a crash.
    answers_anew(&mut pty, "fourth");
    pty.signal(Signal::TERM);
    pty.code();
    assert_eq!(state(&world, &id), "gone", "a signal to run stops its container: {}", pty.screen());
}

#[test]
fn one_client_has_the_input_and_others_look_on() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    started(&world, &id);
    let mut first = attached(&world, &id, "first");
    let mut second = Pty::start(&verb(&world, &["attach", &id]), 20, 70);
    second.shows("another client has the input");
    assert_eq!(second.code(), Some(125));
    let mut onlooker = Pty::start(&verb(&world, &["attach", "--no-stdin", &id]), 20, 70);
    let mut ready = false;
    world.until("it looks on", || {
        first.keys("look\r");
        ready |= onlooker.screen().contains("got look");
        ready
    });
    assert!(!onlooker.is_raw());
    onlooker.keys("not for it\n");
    answers(&mut first, "mine");
    onlooker.shows("got mine of vt220");
    assert!(!first.screen().contains("not for it") && !first.screen().contains("20 70"));
    onlooker.signal(Signal::INT);
    assert_eq!((onlooker.code(), state(&world, &id).as_str()), (Some(130), "Running"));
    first.signal(Signal::HUP);
    assert_eq!((first.code(), state(&world, &id).as_str()), (Some(129), "Running"));
    let mut third = attached(&world, &id, "third");
    third.keys("end\r");
    assert_eq!(third.code(), Some(7));
}

#[test]
fn a_terminal_is_for_those_who_have_one() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let with = bundle(&world, "b", &["sh", "-c", PROGRAM]);
    let refused = verb(&world, &["run", "-it", &id, &with]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(125) && said.contains("needs a terminal"), "{said}");
    assert_eq!(state(&world, &id), "gone");
    assert_eq!(world.cli(&["attach", &id]).status.code(), Some(125));
    assert_eq!(world.cli(&["attach", "--json", &id]).status.code(), Some(2));
    // A bundle that has none to give.
    let without = world.bundle("c", &["sh", "-c", PROGRAM]);
    let mut pty = Pty::start(&verb(&world, &["run", "-it", &id, without.to_str().unwrap()]), 33, 111);
    assert_eq!(pty.code(), Some(127), "{}", pty.screen());
    pty.shows("devpts");
    assert_eq!(state(&world, &id), "gone", "nothing is left of it");
    // Started without either: its output is there, and its end.
    let id = world.id("plain");
    world.run(&id, &["sh", "-c", "while ! [ -e /go ]; do echo tick; sleep 0.05; done; exit 5"]);
    let mut pty = Pty::start(&verb(&world, &["attach", &id]), 33, 111);
    pty.shows("tick\r\n");
    assert!(!pty.is_raw());
    std::fs::write(world.path("rootfs/go"), "").unwrap();
    assert_eq!(pty.code(), Some(5));
}
