//! The program under the name `DobbyTool`: Dobby's verbs and words, and a true exit status.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::support::memcr;
use crate::support::test_dir::test_dir;

/// The tool of a world.
fn tool(world: &DaemonWorld) -> Command {
    let path = world.path("DobbyTool");
    if !path.exists() {
        std::os::unix::fs::symlink(daemon_program(), &path).unwrap();
    }
    let mut command = Command::new(path);
    command.arg("--socket").arg(world.path("socket"));
    command
}

fn run(world: &DaemonWorld, args: &[&str]) -> Output {
    tool(world).args(args).stdin(Stdio::null()).output().unwrap()
}

/// What it prints, and its exit status.
fn says(world: &DaemonWorld, args: &[&str]) -> (String, Option<i32>) {
    let output = run(world, args);
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn a_script_for_dobby_lives_a_container_through() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let id = id.as_str();
    assert_eq!(says(&world, &["list"]), ("no containers\n".to_owned(), Some(0)));
    let bundle = world.bundle("b", &["false"]);
    let script = ["sh", "-c", "echo $X; exec sleep 100"];
    let start = [&["start", "--envvar", "X=a b", id, bundle.to_str().unwrap()], &script[..]].concat();
    let (text, code) = says(&world, &start);
    let d = text.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(
        (text, code),
        (format!("started '{id}' container, descriptor is {d}\n"), Some(0)),
        "{}",
        world.log()
    );
    world.until("there is output", || world.cli(&["logs", id]).stdout == b"a b\n");
    let list = |state: &str| {
        format!(
            " descriptor | {:32} | state\n------------|----------------------------------|-------------\n \
             {d:>10} | {id:32} | {state}\n",
            "id"
        )
    };
    let cases: [(&[&str], String); 9] = [
        (&["list"], list("running")),
        (&["pause", id], format!("paused container '{id}'\n")),
        (&["list"], list("paused")),
        (&["resume", &d], format!("resumed container '{d}'\n")),
        (
            &["exec", "--cwd=/tmp", id, "true"],
            format!("executed command in '{id}' container, descriptor is {d}\n"),
        ),
        (&["wait", id, "running"], format!("Container {id} has changed state to running\n")),
        (&["stop", id, "--force"], format!("stopped container '{id}'\n")),
        (&["wait", id, "stopped"], format!("Container {id} has changed state to stopped\n")),
        (&["list"], "no containers\n".to_owned()),
    ];
    for (args, expected) in cases {
        assert_eq!(says(&world, args), (expected, Some(0)), "{args:?}");
    }
}

#[test]
fn a_container_that_runs_is_changed_from_outside() {
    let dir = tempfile::Builder::new().prefix("tool-memcr-").tempdir_in(test_dir()).unwrap();
    let socket = dir.path().join("memcr");
    let world = DaemonWorld::with(&["--memcr-socket", socket.to_str().unwrap()]);
    let _requests = memcr::start(&socket, 0, None);
    let id = world.id("a");
    let id = id.as_str();
    world.run(id, &["sleep", "100"]);
    let shared = world.path("shared");
    std::fs::create_dir(&shared).unwrap();
    let shared = shared.to_str().unwrap();
    let state = || world.done("getContainerState", &json!({"containerId": id}))["state"].clone();
    let cases: [(&[&str], String); 8] = [
        (&["annotate", id, "key", "value"], format!("annotate successful for container '{id}'\n")),
        (&["remove-annotation", id, "key"], format!("removed key key from container '{id}' annotations\n")),
        (&["mount", id, shared, "/tmp/a", "bind,ro"], format!("mount successful for container '{id}'\n")),
        (&["unmount", id, "/tmp/a"], format!("unmount successful for container '{id}'\n")),
        (&["mount", id, shared, "/tmp/b", "bind", ""], format!("mount successful for container '{id}'\n")),
        (&["unmount", id, "/tmp/b"], format!("unmount successful for container '{id}'\n")),
        (&["hibernate", "--compress=lz4", id], format!("hibernate successful for container '{id}'\n")),
        (&["wakeup", id], format!("wakeup container '{id}' successful\n")),
    ];
    for (args, expected) in cases {
        if args[0] == "wakeup" {
            world.until("it is hibernated", || state() == "Hibernated");
            assert!(says(&world, &["list"]).0.ends_with("| hibernated\n"));
        }
        assert_eq!(says(&world, args), (expected, Some(0)), "{args:?}");
    }
    assert_eq!(state(), "Running");
    let failures: [(&[&str], String); 3] = [
        (&["wakeup", id], format!("error - failed to wakeup container '{id}'\n")),
        (&["unmount", id, "/tmp/a"], format!("error - failed to unmount /tmp/a inside the container {id}\n")),
        (&["hibernate", "--dest=x", id], "error - failed to hibernate the container\n".to_owned()),
    ];
    for (args, expected) in failures {
        let (text, code) = says(&world, args);
        assert_eq!(text, expected, "{args:?}");
        assert_ne!(code, Some(0), "{args:?}");
    }
}

#[test]
fn a_container_is_described_in_json_as_dobby_writes_it() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let d = world.run(&id, &["sleep", "100"]);
    let (text, code) = says(&world, &["info", &d.to_string()]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains(&format!("\n \"id\" : \"{id}\",\n")) && text.contains("\"state\" : \"running\""),
        "{text}"
    );
    let info: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(info["id"], id.as_str());
    let (text, _) = says(&world, &["dumpspec", &id]);
    let config: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(config["process"]["args"], json!(["sleep", "100"]));
}

#[test]
fn a_failure_is_in_dobbys_words_and_in_the_exit_status() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let bundle = world.bundle("b", &["true"]);
    let bundle = bundle.to_str().unwrap();
    let empty = world.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let missing = |name: &str| format!("failed to find container '{name}'");
    let cases: &[(&[&str], String, i32)] = &[
        (&["stop", "nothere"], missing("nothere"), 10),
        (&["pause", "4711"], missing("4711"), 10),
        (&["info", "nothere"], missing("nothere"), 10),
        (&["dumpspec", "nothere"], missing("nothere"), 10),
        (&["resume", &id], format!("failed to resume container '{id}'"), 6),
        (&["start", &id, bundle], format!("failed to start container '{id}'"), 6),
        (&["start", "x"], "must provide at least two args; <id> <specfile/bundlepath>".to_owned(), 2),
        (&["start", "--flag", "x", bundle], "unknown argument '--flag'".to_owned(), 2),
        (&["start", "x", "/missing.json"], "Path '/missing.json' does not exist".to_owned(), 10),
        (
            &["start", "x", "/etc/passwd"],
            "please provide the path to a bundle or a valid .json file".to_owned(),
            2,
        ),
        (
            &["start", "x", empty.to_str().unwrap()],
            format!("no config.json file found in '{}'", empty.display()),
            2,
        ),
        (&["exec", &id], "No command given for exec.".to_owned(), 2),
        (&["exec", "--cap=all", &id, "true"], format!("failed to execute command in container '{id}'"), 3),
        (&["wait", &id, "flying"], "Invalid container state 'flying'".to_owned(), 2),
        (&["shutdown"], "failed to shutdown daemon".to_owned(), 9),
        (&["fly"], "unknown command 'fly'".to_owned(), 2),
        (&["pause"], "wrong arguments for 'pause'; see pause in help".to_owned(), 2),
    ];
    for (args, words, code) in cases {
        let output = run(&world, args);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("error - {words}\n"), "{args:?}");
        assert_eq!(output.status.code(), Some(*code), "{args:?}");
        assert!(output.stderr.starts_with(b"error: "), "{args:?}: {output:?}");
    }
}

#[test]
fn without_a_verb_verbs_are_read_from_standard_input() {
    let world = DaemonWorld::new();
    let mut child =
        tool(&world).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"list\n\nstop 'no where'\nhelp pause\nquit\nlist\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("no containers\nerror - "), "{text}");
    assert!(text.ends_with("  pause <id>\n      Freeze a container\n"), "{text}");
    assert_ne!(output.status.code(), Some(0), "the failure is not forgotten");
    let (help, code) = says(&world, &["-h"]);
    assert!(help.contains("remove-annotation <id> <key>") && code == Some(0), "{help}");
}
