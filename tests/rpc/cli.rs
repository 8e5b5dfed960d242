//! The command line: what it prints, and its exit codes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_container_can_be_lived_through_by_hand() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["false"]);
    let bundle = bundle.to_str().unwrap();
    let script = "echo $X; sleep 100";
    let started = world.cli(&["start", &id, bundle, "--env", "X=a b", "--", "sh", "-c", script]);
    let descriptor = stdout(&started).trim().rsplit(' ').next().unwrap().to_owned();
    let log = format!("{started:?}\n{}", world.log());
    assert_eq!(stdout(&started), format!("started {id}, descriptor {descriptor}\n"), "{log}");
    world.until("there is output", || stdout(&world.cli(&["logs", &id])) == "a b\n");
    let cases: [(&[&str], String); 8] = [
        (
            &["list"],
            format!("DESCRIPTOR  {:width$}  STATE\n{descriptor:10}  {id}  Running\n", "ID", width = id.len()),
        ),
        (&["state", &id], "Running\n".to_owned()),
        (&["state", &descriptor], "Running\n".to_owned()),
        (&["pause", &id], format!("paused {id}\n")),
        (&["state", &id], "Paused\n".to_owned()),
        (&["resume", &id], format!("resumed {id}\n")),
        (&["stop", "--force", &id], format!("stopping {id}\n")),
        (&["wait", &id], "signal 9\n".to_owned()),
    ];
    for (args, expected) in cases {
        let output = world.cli(args);
        assert_eq!((stdout(&output), output.status.code()), (expected, Some(0)), "{args:?}: {output:?}");
    }
    assert_eq!(stdout(&world.cli(&["list"])), "DESCRIPTOR  ID  STATE\n");
    assert_eq!(stdout(&world.cli(&["logs", &id])), "a b\n", "the log outlives its container");
}

#[test]
fn json_is_the_result_of_the_api() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "echo hello; exec sleep 100"]);
    let json = |args: &[&str]| {
        let all: Vec<&str> = args[..1].iter().chain(&["--json"]).chain(&args[1..]).copied().collect();
        let output = world.cli(&all);
        let value: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {output:?}"));
        assert_eq!(value["success"], true, "{args:?}");
        value
    };
    assert_eq!(json(&["list"])["containers"][0]["Id"], id.as_str());
    assert_eq!(json(&["state", &id])["state"], "Running");
    assert_eq!(json(&["info", &id])["info"]["id"], id.as_str());
    assert_eq!(json(&["exec", &id, "--", "echo", "x"])["stdout"], "x\n");
    world.until("there is output", || json(&["logs", &id])["log"] == "hello\n");
    json(&["pause", &id]);
    json(&["resume", &id]);
    json(&["stop", &id, "--force"]);
    assert_eq!(json(&["wait", &id])["signal"], 9);
    let bundle = world.bundle("b", &["sleep", "100"]);
    assert!(json(&["start", &id, bundle.to_str().unwrap()])["descriptor"].is_i64());
    json(&["delete", &id, "--force"]);
}

#[test]
fn info_is_readable() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let text = stdout(&world.cli(&["info", &id]));
    for name in ["id ", "state ", "processes ", "cpu time ", "memory ", "memory limit "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
    }
}

#[test]
fn exec_prints_the_output_and_ends_with_the_commands_code() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let bytes = world.cli(&["exec", &id, "--", "sh", "-c", "printf '\\377\\0x'; printf e >&2; exit 7"]);
    assert_eq!(
        (&bytes.stdout[..], &bytes.stderr[..], bytes.status.code()),
        (&b"\xff\0x"[..], &b"e"[..], Some(7))
    );
    let cases: [(&[&str], i32); 6] = [
        (&["exec", &id, "--", "true"], 0),
        (&["exec", &id, "--", "sh", "-c", "kill -9 $$"], 137),
        (&["exec", "--detach", &id, "--", "true"], 0),
        (&["exec", "nobody", "--", "true"], 125),
        (&["exec", "--option=--pid-file=/x", &id, "--", "true"], 125),
        (&["exec", &id], 2),
    ];
    for (args, code) in cases {
        let output = world.cli(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    }
    let words = world.cli(&["exec", "--option", "--cwd=/bin", &id, "--", "echo", "a  b", "'", ";", "$X"]);
    assert_eq!(stdout(&words), "a  b ' ; $X\n");
    let slow = world.cli(&["exec", "--timeout", "1", &id, "--", "sleep", "100"]);
    assert_eq!(slow.status.code(), Some(137));
    assert!(stderr(&slow).contains("killed after 1 s"), "{slow:?}");
}

#[test]
fn exit_codes_tell_what_kind_of_thing_went_wrong() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let bundle = world.bundle("b", &["true"]);
    let bundle = bundle.to_str().unwrap();
    std::fs::write(world.path("spec.json"), "{}").unwrap();
    std::fs::write(world.path("bad.json"), "{").unwrap();
    let (spec, bad) = (world.path("spec.json"), world.path("bad.json"));
    let other = world.id("other");
    let cases: [(&[&str], i32); 15] = [
        (&["exec", "-d", "--timeout", "3", &id, "true"], 2),
        (&["list", "--nope"], 2),
        (&["nope"], 2),
        (&["+monitor"], 2),
        (&["state", "nobody"], 10),
        (&["stop", "nobody"], 10),
        (&["logs", "nobody"], 10),
        (&["state", "../x"], 3),
        (&["start", "--root=/x", bundle], 2),
        (&["start", "a..b", bundle], 3),
        (&["start", &id, bundle], 6),
        (&["resume", &id], 6),
        (&["delete", &id], 6),
        (&["wait", "--timeout", "0", &id], 11),
        (&["start-spec", &other, bad.to_str().unwrap()], 3),
    ];
    for (args, code) in cases {
        let output = world.cli(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}: {output:?}");
    }
    let output = world.cli(&["start-spec", &other, spec.to_str().unwrap()]);
    assert_ne!(output.status.code(), Some(0), "an empty specification starts nothing");
    let output =
        Command::new(daemon_program()).args(["list", "--socket", "/nowhere/socket"]).output().unwrap();
    assert_eq!(output.status.code(), Some(12), "{output:?}");
    assert!(stderr(&output).contains("check that it is running"), "{output:?}");
    let error = stderr(&world.cli(&["state", "nobody"]));
    assert!(
        error.starts_with("error: ") && error.contains("nobody") && error.lines().count() == 1,
        "{error}"
    );
}

#[test]
fn logs_can_be_followed_to_the_end() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "for n in 1 2 3 4 5 6; do echo line $n; sleep 0.2; done"]);
    let output = world.cli(&["logs", "-f", &id]);
    let expected: String = (1..=6).map(|n| format!("line {n}\n")).collect();
    assert_eq!((stdout(&output), output.status.code()), (expected, Some(0)), "{output:?}");
}

/// The first line of `events`. Containers come and go until there is one: nobody can know when it has subscribed.
fn first_event(world: &DaemonWorld, name: &str, flags: &[&str]) -> String {
    let mut command = Command::new(daemon_program());
    command.arg("events").arg("--socket").arg(world.path("socket")).args(flags).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let heard = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..100).take_while(|_| !heard.load(Ordering::Relaxed)) {
                world.run(&world.id(&format!("{name}{n}")), &["true"]);
            }
        });
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        heard.store(true, Ordering::Relaxed);
    });
    child.kill().unwrap();
    child.wait().unwrap();
    line
}

#[test]
fn events_are_printed_as_they_happen() {
    let world = DaemonWorld::new();
    let text = first_event(&world, "text", &[]);
    assert!(
        text.contains("Z onContainer")
            && [" descriptor=", " state="].iter().any(|member| text.contains(member)),
        "{text}"
    );
    let value: Value = serde_json::from_str(&first_event(&world, "json", &["--json"])).unwrap();
    assert!(value["event"].is_string() && value["params"]["name"].is_string(), "{value}");
    world.until("all is gone", || world.done("listContainers", &json!({}))["containers"] == json!([]));
}

#[test]
fn foreign_text_cannot_drive_a_terminal() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "printf '\\033[2Jx\\n'; exec sleep 100"]);
    world.until("there is output", || stdout(&world.cli(&["logs", &id])).ends_with("x\n"));
    assert_eq!(stdout(&world.cli(&["logs", &id])), "\u{1b}[2Jx\n", "as it is, when piped");
    // script(1) gives the command a terminal.
    let program = daemon_program();
    let line = format!("{} logs --socket {} {id}", program.display(), world.path("socket").display());
    let output =
        Command::new("script").args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(Stdio::null()).output();
    let shown = stdout(&output.unwrap());
    assert!(shown.contains("\\u{1b}[2Jx") && !shown.contains('\u{1b}'), "{shown:?}");
    let line = format!("{line} --raw");
    let output =
        Command::new("script").args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(Stdio::null()).output();
    assert!(stdout(&output.unwrap()).contains("\u{1b}[2Jx"));
}
