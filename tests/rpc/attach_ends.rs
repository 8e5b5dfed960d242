//! How `run` and `attach` end when something at either end goes: the reader, the input, the container's next run.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::json;

use crate::attach::{state, verb};
use crate::attach_input::with_input;
use crate::support::daemon_world::DaemonWorld;

/// Writes until it is stopped.
const TALKS: &str = "while :; do echo line; sleep 0.05; done";

/// A verb whose first line of output has come.
fn after_a_line(world: &DaemonWorld, words: &[&str]) -> Child {
    let mut command = verb(world, words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut lines = BufReader::with_capacity(1, child.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "line\n", "{words:?}");
    child.stdout = Some(lines.into_inner());
    child
}

fn errors(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_reader_that_goes_ends_the_client_and_the_container_goes_on() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["sh", "-c", TALKS]);
    let run = ["run", &id, bundle.to_str().unwrap()];
    for (words, hint) in [(&run[..], "stop"), (&["attach", "--no-stdin", &id], "")] {
        let mut child = after_a_line(&world, words);
        drop(child.stdout.take());
        let said = errors(&mut child);
        assert_eq!(child.wait().unwrap().code(), Some(128 + 13), "{words:?}: {said}");
        assert!(said.contains(hint) && said.is_empty() == hint.is_empty(), "{words:?}: {said}");
        assert_eq!(state(&world, &id), "Running");
    }
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn those_who_are_attached_learn_why_a_container_is_not_restarted() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["sh", "-c", TALKS]);
    assert!(world.cli(&["start", &id, bundle.to_str().unwrap()]).status.success());
    let mut child = after_a_line(&world, &["attach", "--no-stdin", &id]);
    // Its program is looked for when the run before has ended.
    fs::rename(world.path("rootfs/bin/sh"), world.path("rootfs/bin/aside")).unwrap();
    assert!(!world.cli(&["restart", "--time", "0", &id]).status.success());
    let said = errors(&mut child);
    assert!(said.contains("[ocicontainer: it cannot be restarted: ") && said.contains("sh"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(137), "as its last run");
    let log = world.log();
    assert!(log.contains("cannot be restarted") && !log.contains("is restarted"), "{log}");
}

#[test]
fn the_end_of_piped_input_is_a_key_on_a_terminal() {
    let world = DaemonWorld::new();
    let script = "while read line; do echo \"got $line\"; done; echo \"rest $line\"; exit 3";
    for (input, rest) in [(&b"one\n"[..], "rest \r\n"), (b"one\ntwo", "rest two\r\n"), (b"", "rest \r\n")] {
        let id = world.id(&input.len().to_string());
        let bundle = crate::terminal::bundle(&world, &id, &["sh", "-c", script]);
        let size = json!({"rows": 20, "columns": 70});
        world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle, "terminal": size}));
        let output = with_input(verb(&world, &["attach", &id]), input);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.ends_with(rest) && output.status.code() == Some(3), "{input:?}: {output:?}");
        assert!(input.is_empty() || text.contains("got one\r\n"), "{text}");
    }
}

/// Their own codes are the container's, so that those of other verbs would say nothing.
#[test]
fn without_a_container_attach_and_exec_end_as_what_was_not_run() {
    let world = DaemonWorld::new();
    let id = world.id("none");
    for words in [&["attach", &id][..], &["exec", &id, "true"]] {
        let output = world.cli(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(125) && said.contains("there is no container"),
            "{words:?}: {said}"
        );
    }
    assert_eq!(world.cli(&["stop", &id]).status.code(), Some(10));
}
